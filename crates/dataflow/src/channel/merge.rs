//! `merge`: several inputs become one, in an order that does not depend on timing.
//!
//! Each input is put in its own order first (see [`super::order`]); then the inputs take turns as [`Turns`] says. Which
//! item comes next is a function of the items alone, so the merged flow is the same in every run.

use super::emitter::Emitter;
use crate::failure::Result;
use crate::settings::Section;
use crate::stage::item::Payload;
use crate::stage::kind::{Kind, StageConfig, StageContext};
use crate::stage::port::Port;
use crate::stage::traits::Stage;

/// How several inputs take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turns {
    /// By shares, one for each input (empty: equal shares), spread as evenly as possible. An input that has ended leaves
    /// its turns to the others.
    Ratio(Vec<u64>),
    /// By the items' own place in the run: the smallest of all inputs comes first.
    Order,
}

impl Turns {
    /// Why `inputs` inputs cannot take such turns.
    pub(crate) fn complaint(&self, inputs: usize) -> Option<String> {
        match self {
            Self::Ratio(shares) if !shares.is_empty() && shares.len() != inputs => {
                Some(format!("has {} shares in `ratio` for {inputs} inputs", shares.len()))
            }
            _ => None,
        }
    }
}

/// Whose turn it is among inputs with shares: smooth weighted round robin. In every round each open input earns its
/// share, and the richest (of equals, the first) has its turn and pays what all earned together. Over as many turns as
/// the shares add up to, each has exactly its share, and no two turns of one input are further apart than needed.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    shares: Vec<u64>,
    credit: Vec<i64>,
}

impl Shares {
    pub(crate) fn new(shares: &[u64], inputs: usize) -> Self {
        let shares: Vec<u64> = (0..inputs).map(|input| shares.get(input).copied().unwrap_or(1).max(1)).collect();
        Self { credit: vec![0; shares.len()], shares }
    }

    /// The next input among those that are `open`; `None` when none is.
    pub(crate) fn turn(&mut self, open: impl Fn(usize) -> bool) -> Option<usize> {
        let mut total = 0;
        let mut richest: Option<usize> = None;
        for input in (0..self.shares.len()).filter(|&input| open(input)) {
            let share = i64::try_from(self.shares[input]).unwrap_or(i64::MAX / 2);
            self.credit[input] = self.credit[input].saturating_add(share);
            total += share;
            if richest.is_none_or(|other| self.credit[input] > self.credit[other]) {
                richest = Some(input);
            }
        }
        let chosen = richest?;
        self.credit[chosen] -= total;
        Some(chosen)
    }

    /// Gives back a turn that could not be used because `input` had ended: the others start anew.
    pub(crate) fn forget(&mut self) {
        self.credit.fill(0);
    }
}

/// The row for a table of kinds.
pub const fn kind<C: StageContext>() -> Kind<C> {
    Kind {
        name: "merge",
        description: "makes one flow of several inputs, by ratio or in the order of the run, whatever the timing",
        input: Some(Port::ANY),
        output: Some(Port::ANY),
        ordered: true,
        workers: 1,
        max_workers: 1,
        capacity: 4,
        parse: |options| Box::new(Merge::parse(options)),
    }
}

/// The options of `merge`.
#[derive(Clone, Debug)]
pub struct Merge {
    /// How the inputs take turns.
    pub turns: Turns,
}

impl Merge {
    fn parse(options: &mut Section<'_>) -> Self {
        let by = options
            .describe(
                "how the inputs take turns: by `ratio`, or in the `order` of the run that the items themselves know",
            )
            .choice("by", "ratio", &["ratio", "order"]);
        const RATIO: crate::settings::Key = crate::settings::Key::new("ratio")
            .description("a share for each input, in the order of `inputs`; equal shares when empty")
            .min(1.0)
            .max(1_000_000.0);
        let ratio = options.value(RATIO, Vec::<u64>::new());
        if by == "order" && !ratio.is_empty() {
            options.problem("ratio", "has no meaning with `by: order`; leave it out");
        }
        Self { turns: if by == "order" { Turns::Order } else { Turns::Ratio(ratio) } }
    }
}

impl<C: StageContext> StageConfig<C> for Merge {
    fn worker(&self, _: &C, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Pass))
    }

    fn turns(&self) -> Option<Turns> {
        Some(self.turns.clone())
    }

    fn output_spec(
        &self,
        _: &C::Facts,
        input: Option<&crate::stage::element_spec::ElementSpec>,
    ) -> Option<crate::stage::element_spec::ElementSpec> {
        input.cloned()
    }
}

/// The engine has merged already when an item arrives here.
struct Pass;

impl Stage for Pass {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        out.emit(payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_to_one_is_spread_evenly() {
        let mut shares = Shares::new(&[2, 1], 2);
        let turns: Vec<usize> = (0..6).filter_map(|_| shares.turn(|_| true)).collect();
        assert_eq!(turns, [0, 1, 0, 0, 1, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_period_has_exactly_the_shares(shares in prop::collection::vec(1u64..9, 1..6), periods in 1usize..4) {
            let total = shares.iter().sum::<u64>() as usize;
            let mut turns = Shares::new(&shares, shares.len());
            for _ in 0..periods {
                let mut taken = vec![0; shares.len()];
                (0..total).filter_map(|_| turns.turn(|_| true)).for_each(|input| taken[input] += 1);
                prop_assert_eq!(&taken, &shares);
            }
        }
    }
}
