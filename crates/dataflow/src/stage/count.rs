//! `count`: takes items of any type and does nothing with them, so that all before it can be measured alone. The meters
//! count for it.

use super::item::Payload;
use super::kind::{Kind, StageConfig, StageContext};
use super::port::Port;
use super::traits::Stage;
use crate::channel::emitter::Emitter;
use crate::failure::Result;

/// The row for a table of kinds.
pub const fn kind<C: StageContext>() -> Kind<C> {
    Kind {
        name: "count",
        description: "counts items of any type and drops them, to measure what comes before",
        input: Some(Port::ANY),
        output: None,
        ordered: false,
        workers: 1,
        max_workers: 1,
        capacity: 1,
        parse: |_| Box::new(Count),
    }
}

struct Count;

impl<C: StageContext> StageConfig<C> for Count {
    fn worker(&self, _: &C, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Self))
    }
}

impl Stage for Count {
    fn process(&mut self, _: Payload, _: &mut Emitter) -> Result<()> {
        Ok(())
    }
}
