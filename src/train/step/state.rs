//! A trainer in and out of checkpoints.

use super::{OptimizerScope, Trainer};
use crate::{
    failure::{Failure, FailureKind, Result},
    train::{
        checkpoint::{EMA, Metadata, OPTIMIZER, State, is_weight},
        ema::Ema,
        tasks::Balancer,
    },
};
use tch::{Device, Tensor};

impl Trainer {
    /// Copies of all tensors that a resumed run needs, where the originals are; nobody waits for the device.
    ///
    /// # Errors
    /// There is no memory for the copies.
    pub fn snapshot(&self, metadata: Metadata) -> Result<State> {
        let copy = |tensor: &Tensor| copied(&tensor.detach());
        let mut tensors: Vec<(String, Tensor)> = self
            .model
            .params()
            .iter()
            .map(|(name, tensor, _)| Ok((name.to_string(), copy(tensor)?)))
            .collect::<Result<_>>()?;
        if let Some((scope, optimizer)) = &self.optimizer {
            for slot in &optimizer.slots {
                tensors.push((format!("{OPTIMIZER}exp_avg.{}", slot.name), copy(&slot.exp_avg)?));
                tensors.push((format!("{OPTIMIZER}exp_avg_sq.{}", slot.name), copy(&slot.exp_avg_sq)?));
            }
            tensors.push((format!("{OPTIMIZER}updates"), copy(&optimizer.updates)?));
            let scope = [scope.phase as i64, i64::from(scope.class_frozen)];
            tensors.push((format!("{OPTIMIZER}stretch"), Tensor::from_slice(&scope)));
        }
        for (name, tensor) in
            self.balancer.iter().flat_map(Balancer::tensors).chain(self.ema.iter().flat_map(Ema::tensors))
        {
            tensors.push((name, copy(tensor)?));
        }
        Ok(State { metadata, tensors })
    }

    /// Puts back what [`Trainer::snapshot`] took. With `changed`, what the experiment has since been given starts fresh:
    /// moments of parameters that did not train before, weights of the tasks, the averaged model.
    ///
    /// # Errors
    /// The checkpoint is of another architecture, or its training state is incomplete.
    pub fn restore(&mut self, state: &State, changed: bool) -> Result<()> {
        let weights = state.tensors.iter().filter(|(name, _)| is_weight(name));
        let report = self.model.params().load(weights.map(|(name, tensor)| (name.as_str(), tensor)))?;
        report.require(&[]).map_err(|failure| {
            Failure::input(format!("a checkpoint of another architecture:\n{}", shortened(&failure.message)))
        })?;
        self.restore_average(state, changed)?;
        let find = |name: &str| state.tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor);
        let own = |name: &str| find(&format!("{OPTIMIZER}{name}"));
        let Some(scope) = own("stretch") else {
            self.optimizer = None;
            return Ok(());
        };
        let scope = Vec::<i64>::try_from(scope)?;
        let &[phase, class_frozen] = scope.as_slice() else {
            return Err(Failure::input("the checkpoint's optimizer state is damaged"));
        };
        let scope =
            OptimizerScope { phase: usize::try_from(phase).unwrap_or(usize::MAX), class_frozen: class_frozen != 0 };
        if changed && scope.phase >= self.training.phases.len() {
            self.optimizer = None;
            return Ok(());
        }
        let mut fresh = self.fresh_optimizer(scope)?;
        let missing = |name: &str| Failure::input(format!("the checkpoint's optimizer state lacks {name}"));
        tch::no_grad(|| -> Result<()> {
            for slot in &mut fresh.slots {
                for (kind, tensor) in [("exp_avg", &mut slot.exp_avg), ("exp_avg_sq", &mut slot.exp_avg_sq)] {
                    let name = format!("{kind}.{}", slot.name);
                    match own(&name) {
                        Some(given) => tensor.f_copy_(given)?,
                        None if changed => {}
                        None => return Err(missing(&name)),
                    }
                }
            }
            fresh.updates.f_copy_(own("updates").ok_or_else(|| missing("updates"))?)?;
            Ok(())
        })?;
        self.optimizer = Some((scope, fresh));
        self.balancer = Balancer::new(self.training.weighting, self.model.params().device());
        match &mut self.balancer {
            Some(balancer) => balancer.restore(find).or_else(|failure| if changed { Ok(()) } else { Err(failure) }),
            None => Ok(()),
        }
    }

    fn restore_average(&mut self, state: &State, changed: bool) -> Result<()> {
        if self.ema.is_none() {
            return Ok(());
        }
        let own = state.tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(EMA)?, tensor)));
        let own: Vec<(&str, &Tensor)> = own.collect();
        let mut average = Ema::new(self.training.ema_decay, &self.model)?;
        if !(changed && own.is_empty()) {
            average.restore(&own, &self.model)?;
        }
        self.ema = Some(average);
        Ok(())
    }
}

/// A copy on the same device; where that has no memory left, one on the host, for which the caller waits.
fn copied(tensor: &Tensor) -> Result<Tensor> {
    match tensor.f_empty_like() {
        Ok(mut copy) => {
            copy.f_copy_(tensor)?;
            Ok(copy)
        }
        Err(error) => match Failure::from(error) {
            failure if failure.kind == FailureKind::Memory && tensor.device().is_cuda() => {
                Ok(tensor.f_to_device(Device::Cpu)?)
            }
            failure => Err(failure),
        },
    }
}

/// The first lines of a long list.
fn shortened(text: &str) -> String {
    const LINES: usize = 12;
    let more = text.lines().count().saturating_sub(LINES);
    let head: Vec<&str> = text.lines().take(LINES).collect();
    if more == 0 { head.join("\n") } else { format!("{}\n… and {more} more", head.join("\n")) }
}
