//! The operator as bytes, so that another process can run it: the spec is JSON, the spine travels as
//! DataFusion encodes it.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use crate::join::exec::PointInTimeExec;
use crate::join::spec::JoinSpec;

/// Encodes and decodes [`PointInTimeExec`] within a plan of datafusion-proto.
#[derive(Clone, Copy, Debug, Default)]
pub struct PointInTimeCodec;

impl PhysicalExtensionCodec for PointInTimeCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let spec = JoinSpec::read(buf).map_err(DataFusionError::Plan)?;
        match inputs {
            [spine] => Ok(Arc::new(PointInTimeExec::new(spine.clone(), Arc::new(spec)))),
            _ => internal_err!("a point-in-time join has one spine, not {}", inputs.len()),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(join) = (node.as_ref() as &dyn std::any::Any).downcast_ref::<PointInTimeExec>() else {
            return internal_err!("{} is not a point-in-time join", node.name());
        };
        serde_json::to_writer(buf, join.spec()).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}
