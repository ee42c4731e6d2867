"""Writes a program of the examples as a notebook beside it: `python examples/notebook.py examples/flights/late_arrival.py`.

Where lines of a program begin with `# %%`, each begins a cell, of text after `# %% [markdown]`. In a program without them, the
text of the module is the first cell, each function or class with what stands before it a cell of its own, and the last one
calls `main` for the notebook's folder. The notebook has no outputs: it is run where it is read.
"""

import ast
import json
import pathlib
import re
import sys


def marked_cells(text):
    """The cells of a program that marks them: the kind of each, and its lines."""
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        kind, _, source = cell.partition("\n")
        if kind.strip() == "[markdown]":
            yield "markdown", trimmed([re.sub("^# ?", "", line) for line in source.splitlines(keepends=True)])
        else:
            yield "code", trimmed([source])


def cells(text):
    """The cells of a program: the kind of each, and its lines."""
    if text.startswith("# %%"):
        yield from marked_cells(text)
        return
    module = ast.parse(text)
    lines = text.splitlines(keepends=True)
    yield "markdown", ast.get_docstring(module).splitlines(keepends=True)
    start = module.body[0].end_lineno
    for node in module.body[1:]:
        is_definition = isinstance(node, (ast.FunctionDef, ast.ClassDef))
        if is_definition or isinstance(node, ast.If):
            before = lines[start : node.lineno - 1]
            if any(line.strip() for line in before):
                yield "code", trimmed(before)
            start = node.end_lineno
        if is_definition:
            yield "code", trimmed(lines[node.lineno - 1 : node.end_lineno])
    yield "code", ['main(".", "promises.svg")\n']
    yield "code", ["from IPython.display import SVG\n", "\n", 'SVG("promises.svg")\n']


def trimmed(lines):
    return "".join(lines).strip("\n").splitlines(keepends=True)


def notebook(text):
    made = []
    for number, (kind, source) in enumerate(cells(text)):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
        made.append(cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def main(program):
    path = pathlib.Path(program)
    path.with_suffix(".ipynb").write_text(notebook(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
