//! The point-in-time join in a logical plan, and the rule that plans it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use crate::join::exec::PointInTimeExec;
use crate::join::log_reader::Reading;
use crate::join::spec::JoinSpec;

/// The features of some views at every label of a spine.
#[derive(Debug, Clone)]
pub struct PointInTime {
    spine: LogicalPlan,
    spec: Arc<JoinSpec>,
    schema: DFSchemaRef,
}

impl PointInTime {
    /// The join of this spine.
    pub fn new(spine: LogicalPlan, spec: Arc<JoinSpec>) -> Result<Self> {
        let schema = DFSchema::try_from(spec.schema(spine.schema().as_arrow()))?;
        Ok(Self { spine, spec, schema: Arc::new(schema) })
    }

    /// The node as a plan.
    pub fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    fn text(&self) -> String {
        // The spec has no maps whose order could differ: equal specs have equal texts.
        serde_json::to_string(&self.spec).expect("invariant: a spec has a form in JSON")
    }
}

impl PartialEq for PointInTime {
    fn eq(&self, other: &Self) -> bool {
        self.spine == other.spine && self.spec == other.spec
    }
}

impl Eq for PointInTime {}

impl Hash for PointInTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spine.hash(state);
        self.text().hash(state);
    }
}

impl PartialOrd for PointInTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for PointInTime {
    fn name(&self) -> &str {
        "PointInTime"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.spine]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views: Vec<_> = self.spec.lookups.iter().map(|lookup| lookup.view.id.to_string()).collect();
        write!(
            f,
            "PointInTime: time={}, as_of={:?}, views=[{}]",
            self.spec.time,
            self.spec.as_of,
            views.join(", ")
        )
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match <[LogicalPlan; 1]>::try_from(inputs) {
            Ok([spine]) => Self::new(spine, self.spec.clone()),
            Err(inputs) => internal_err!("a point-in-time join has one spine, not {}", inputs.len()),
        }
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        // Every column of the spine is kept.
        Some(vec![(0..self.spine.schema().fields().len()).collect()])
    }
}

/// Plans [`PointInTime`] as [`PointInTimeExec`].
#[derive(Debug, Default)]
pub struct PointInTimePlanner {
    reading: Arc<Reading>,
}

impl PointInTimePlanner {
    pub(crate) fn new(reading: Arc<Reading>) -> Self {
        Self { reading }
    }
}

#[async_trait]
impl ExtensionPlanner for PointInTimePlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(join), [spine]) = (node.as_any().downcast_ref::<PointInTime>(), inputs) else {
            return Ok(None);
        };
        let exec = PointInTimeExec::new(spine.clone(), join.spec.clone()).with_reading(self.reading.clone());
        Ok(Some(Arc::new(exec)))
    }
}
