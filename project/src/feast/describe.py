"""Describes a Feast repository as one JSON document on stdout, format 1.

Run by the Python that has Feast, with the repository's folder as the only argument: `python -c PROGRAM FOLDER`. Feast's
own code imports every file of the repository. What those files print goes to stderr. Nothing is written.
"""

import ast
import datetime
import json
import os
import sys
import textwrap
import traceback
import types
from pathlib import Path

FORMAT = 1
# Texts longer than this say no more to a reader.
LONGEST_TEXT = 200


def main():
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.dont_write_bytecode = True
    root = Path(sys.argv[1]).resolve()
    os.chdir(root)
    sys.path.insert(0, str(root))
    try:
        described = Repository(root).describe()
    except (Exception, SystemExit) as error:
        described = {"failed": failure(error, root)}
    json.dump({"format": FORMAT, **described}, answer)
    answer.close()


def failure(error, root):
    """What went wrong, and the last line of the repository's own code on the way there."""
    position = None
    for frame in traceback.extract_tb(error.__traceback__):
        position = position_in(root, frame.filename, frame.lineno) or position
    message = " ".join(str(error).split())[:1000]
    return {"error": type(error).__name__, "message": message, "at": position}


def position_in(root, file, line):
    """A line of a file of the repository, by its path below the folder; none for any other file, or of an environment."""
    try:
        below = Path(file).resolve().relative_to(root)
    except ValueError:
        return None
    if not Path(file).is_file():
        return None
    inside_environment = {"site-packages", ".venv", "venv"} & set(below.parts)
    return None if inside_environment else {"file": below.as_posix(), "line": line}


class Origins:
    """Where each object of a repository was made: noted when its constructor runs."""

    def __init__(self, root):
        self.root = root
        self.noted = {}

    def watch(self, kind):
        original = kind.__init__

        def noting(made, *args, **kwargs):
            self.note(made)
            original(made, *args, **kwargs)

        kind.__init__ = noting

    def note(self, made):
        if id(made) in self.noted:
            return
        frame = sys._getframe(2)
        while frame is not None:
            position = position_in(self.root, frame.f_code.co_filename, frame.f_lineno)
            if position is not None:
                # The object is kept, so that its id is no other's.
                self.noted[id(made)] = (made, position)
                return
            frame = frame.f_back

    def of(self, made):
        noted = self.noted.get(id(made))
        return noted and noted[1]


class Repository:
    def __init__(self, root):
        self.root = root
        self.origins = Origins(root)

    def describe(self):
        import feast
        import yaml
        from feast.data_source import DataSource
        from feast.labeling.label_view import LabelView
        from feast.repo_operations import parse_repo

        watched = [
            feast.Entity,
            feast.FeatureView,
            feast.FeatureService,
            feast.OnDemandFeatureView,
            DataSource,
            LabelView,
        ]
        for kind in watched:
            self.origins.watch(kind)
        without_engines()
        settings = yaml.safe_load((self.root / "feature_store.yaml").read_text()) or {}
        found = parse_repo(self.root)
        views = [*found.feature_views, *found.stream_feature_views]
        return {
            "feast": feast.__version__,
            "project": str(settings.get("project") or ""),
            "entities": [self.entity(entity) for entity in found.entities],
            "sources": [self.source(source) for source in found.data_sources],
            "views": [self.view(view) for view in views],
            "on_demand_views": [self.on_demand(view) for view in found.on_demand_feature_views],
            "services": [self.service(service) for service in found.feature_services],
            "label_views": [self.label_view(view) for view in found.label_views],
            "permissions": len(found.permissions),
        }

    def about(self, described):
        return {
            "name": described.name,
            "description": getattr(described, "description", "") or "",
            "owner": getattr(described, "owner", "") or "",
            "tags": {str(k): str(v) for k, v in (getattr(described, "tags", None) or {}).items()},
            "at": self.origins.of(described),
        }

    def entity(self, entity):
        return {
            **self.about(entity),
            "join_key": entity.join_key,
            "type": entity.value_type.name,
        }

    def source(self, source):
        from feast.data_source import KafkaSource, KinesisSource, PushSource, RequestSource

        described = {
            **self.about(source),
            "class": type(source).__name__,
            "event_time": source.timestamp_field or "",
            "created": source.created_timestamp_column or "",
            "field_mapping": dict(source.field_mapping or {}),
        }
        if isinstance(source, RequestSource):
            described["fields"] = [field(f) for f in source.schema]
        if isinstance(source, (KafkaSource, KinesisSource, PushSource)):
            described["batch"] = source.batch_source and source.batch_source.name
        if isinstance(source, KafkaSource):
            options = source.kafka_options
            described["topic"] = options.topic
            described["brokers"] = options.kafka_bootstrap_servers
            described["message"] = message_format(options.message_format)
            described["lateness_us"] = microseconds(options.watermark_delay_threshold)
        path = getattr(source, "path", None)
        if path:
            file_format = getattr(source, "file_format", None)
            described["path"] = str(path)
            described["file_format"] = str(file_format) if file_format else ""
            described["columns"] = self.columns(source, str(path))
        for key in ("table", "query"):
            if getattr(source, key, None):
                described[key] = str(getattr(source, key))
        return described

    def columns(self, source, path):
        """The names and types of a local file's columns; none where it cannot be read."""
        from feast import RepoConfig

        if "://" in path:
            return None
        try:
            here = RepoConfig(
                project="described",
                provider="local",
                registry="registry.db",
                entity_key_serialization_version=3,
            )
            here.repo_path = self.root
            return [[str(name), str(kind)] for name, kind in source.get_table_column_names_and_types(here)]
        except Exception:
            return None

    def view(self, view):
        return {
            **self.about(view),
            "class": type(view).__name__,
            "entities": list(view.entities),
            "key_fields": [field(f) for f in view.entity_columns],
            "fields": [field(f) for f in view.features],
            "ttl_us": microseconds(view.ttl),
            "batch": view.batch_source and view.batch_source.name,
            "stream": view.stream_source and view.stream_source.name,
            "views": [v.name for v in getattr(view, "source_views", None) or []],
            "event_time": getattr(view, "timestamp_field", "") or "",
            "aggregations": [aggregation(a) for a in getattr(view, "aggregations", None) or []],
            "function": self.function(view),
        }

    def on_demand(self, view):
        inputs = view.source_feature_view_projections.values()
        request = [*view.source_request_sources.values()]
        return {
            **self.about(view),
            "inputs": [projection(p) for p in inputs],
            "request": [field(f) for source in request for f in source.schema],
            "fields": [field(f) for f in view.features],
            "aggregations": [aggregation(a) for a in view.aggregations or []],
            "function": self.function(view),
            "stored": bool(view.write_to_online_store),
        }

    def service(self, service):
        return {
            **self.about(service),
            "projections": [projection(p) for p in service.feature_view_projections],
            "references": [str(ref) for ref in getattr(service, "_pending_feature_refs", None) or []],
            "logged": service.logging_config is not None,
        }

    def label_view(self, view):
        return {**self.about(view), "source": view.source and view.source.name}

    def function(self, view):
        """The function that transforms a view's rows: its tree, its line, and what names outside of it mean."""
        code = getattr(view, "udf", None)
        if code is None:
            return None
        mode = getattr(view.mode, "value", view.mode) or ""
        text = textwrap.dedent(getattr(view, "udf_string", "") or "")
        described = {"mode": str(mode), "at": None, "tree": None, "names": {}}
        if not hasattr(code, "__code__"):
            return described
        line = code.__code__.co_firstlineno
        described["at"] = position_in(self.root, code.__code__.co_filename, line)
        try:
            [defined] = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
        except (SyntaxError, ValueError):
            return described
        defined.decorator_list = []
        ast.increment_lineno(defined, line - 1)
        described["tree"] = tree(defined)
        names = {n.id for n in ast.walk(defined) if isinstance(n, ast.Name)}
        outside = code.__globals__
        described["names"] = {n: meaning(outside[n]) for n in sorted(names) if n in outside}
        return described


def without_engines():
    """Lets functions of an engine that is not installed here, as Spark, be defined: none of them is run."""
    from feast.errors import FeastModuleImportError
    from feast.transformation import base

    original = base.get_transformation_class_from_type
    not_run = type("NotRun", (base.Transformation,), {})

    def loaded(name):
        try:
            return original(name)
        except FeastModuleImportError:
            return not_run

    base.get_transformation_class_from_type = loaded


def projection(projected):
    return {
        "view": projected.name,
        "alias": projected.name_alias or "",
        "features": [f.name for f in projected.features] or list(projected.desired_features),
        "join_key_map": dict(projected.join_key_map or {}),
        "version": projected.version_tag,
    }


def field(given):
    return {
        "name": given.name,
        "type": given.dtype.to_value_type().name,
        "length": given.vector_length or 0,
        "description": given.description or "",
    }


def aggregation(given):
    return {
        "column": given.column,
        "function": given.function,
        "window_us": microseconds(given.time_window),
        "slide_us": microseconds(given.slide_interval),
        "name": given.name,
    }


def microseconds(span):
    return None if span is None else span // datetime.timedelta(microseconds=1)


def message_format(given):
    kind = type(given).__name__
    text = getattr(given, "schema_json", None) or getattr(given, "class_path", None)
    return {"class": kind, "text": text or ""}


def meaning(value):
    """What a global name stands for: the module or function of that path. Feast runs no function with other globals."""
    if isinstance(value, types.ModuleType):
        return {"path": value.__name__}
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return {"path": f"{module}.{name}"} if module and name else {}


def tree(node):
    """A node of Python's syntax tree: its class, its line, its text if it is an expression, and its fields."""
    described = {"node": type(node).__name__}
    if hasattr(node, "lineno"):
        described["line"] = node.lineno
    if isinstance(node, (ast.expr, ast.stmt)):
        described["text"] = " ".join(ast.unparse(node).split())[:LONGEST_TEXT]
    if isinstance(node, ast.Constant):
        described["value"] = constant(node.value)
        return described
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            described[name] = [tree(v) if isinstance(v, ast.AST) else v for v in value]
        else:
            described[name] = tree(value) if isinstance(value, ast.AST) else value
    return described


def constant(value):
    kind = "NoneType" if value is None else type(value).__name__
    return {"type": kind, "text": value if isinstance(value, str) else repr(value)}


main()
