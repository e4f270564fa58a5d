//! The kinds that a pipeline file can name: a program's own table, and what others add to it.

use super::kind::{Kind, StageContext};
use crate::failure::{Failure, Result};

/// Kinds by name. A table of kinds is one as it is; [`Kinds::add`] takes more.
pub struct Kinds<C: StageContext>(Vec<&'static Kind<C>>);

impl<C: StageContext> Kinds<C> {
    /// Adds `kind`, which pipeline files can name from then on.
    ///
    /// # Errors
    /// There is one of that name: a pipeline file could not say which is meant.
    pub fn add(&mut self, kind: &'static Kind<C>) -> Result<()> {
        if self.named(kind.name).is_some() {
            return Err(Failure::config(format!("there are two kinds of stage named `{}`; rename one", kind.name)));
        }
        self.0.push(kind);
        Ok(())
    }

    /// The kind of that name.
    pub fn named(&self, name: &str) -> Option<&'static Kind<C>> {
        self.iter().find(|kind| kind.name == name)
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &'static Kind<C>> + '_ {
        self.0.iter().copied()
    }
}

impl<C: StageContext> Default for Kinds<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: StageContext> Clone for Kinds<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: StageContext> From<&'static [Kind<C>]> for Kinds<C> {
    fn from(table: &'static [Kind<C>]) -> Self {
        Self(table.iter().collect())
    }
}

impl<C: StageContext, const N: usize> From<&'static [Kind<C>; N]> for Kinds<C> {
    fn from(table: &'static [Kind<C>; N]) -> Self {
        table.as_slice().into()
    }
}

impl<C: StageContext> From<&Kinds<C>> for Kinds<C> {
    fn from(kinds: &Kinds<C>) -> Self {
        kinds.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim;
    use crate::stage::count;

    #[test]
    fn a_kind_is_added_once() {
        static COUNT: Kind<sim::Sim> = count::kind();
        let mut kinds = Kinds::default();
        assert_eq!(kinds.add(&COUNT), Ok(()));
        assert!(kinds.add(&COUNT).unwrap_err().message.contains("two kinds of stage named `count`"));
        assert_eq!(kinds.iter().count(), 1);
        let mut all = Kinds::from(sim::KINDS);
        let before = all.iter().count();
        assert!(all.add(&sim::KINDS[0]).is_err());
        assert_eq!(all.iter().count(), before);
    }
}
