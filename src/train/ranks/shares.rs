//! Which clips of a batch each rank takes.
//!
//! A batch of all ranks is cut as that of one process is that has as many replicas as all ranks together: into parts of
//! nearly equal size, of which each round (`TRAIN.ACCUMULATE` of them) gives every rank its own. In one round, rank r of W
//! takes places from G·r/W up to G·(r + 1)/W.

use std::ops::Range;

/// How the clips of one batch are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    clips: usize,
    parts: usize,
    ranks: usize,
    replicas: usize,
}

/// A part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPart {
    /// Its number among all of the batch.
    pub index: usize,
    /// Its clips' places in the batch.
    pub places: Range<usize>,
}

impl Shares {
    /// Those of a batch of `clips`, computed by `ranks` with `replicas` each, in `rounds`.
    pub fn of(clips: usize, ranks: usize, replicas: usize, rounds: usize) -> Self {
        let (ranks, replicas) = (ranks.max(1), replicas.max(1));
        Self { clips, parts: (ranks * replicas * rounds.max(1)).min(clips), ranks, replicas }
    }

    /// In how many rounds the parts are computed.
    pub fn rounds(&self) -> usize {
        self.parts.div_ceil(self.ranks * self.replicas)
    }

    /// How many parts all ranks compute in a round.
    pub fn at_once(&self) -> usize {
        self.ranks * self.replicas
    }

    /// The parts of `rank`, round by round.
    pub fn parts(&self, rank: usize) -> impl Iterator<Item = BatchPart> {
        let Self { clips, parts, ranks, replicas } = *self;
        let bound = move |index: usize| clips * index / parts;
        let own = (0..parts).filter(move |index| (index / replicas) % ranks == rank);
        own.map(move |index| BatchPart { index, places: bound(index)..bound(index + 1) })
    }

    /// The places of `rank` in the batch, in order.
    pub fn places(&self, rank: usize) -> Vec<usize> {
        self.parts(rank).flat_map(|part| part.places).collect()
    }

    /// The round that the part of this number belongs to.
    pub fn round_of(&self, index: usize) -> usize {
        index / (self.ranks * self.replicas)
    }

    /// Whether the ranks have as many `clips` as they are to.
    pub fn fits(&self, clips: &[usize]) -> bool {
        (0..self.ranks)
            .all(|rank| clips.get(rank).copied() == Some(self.parts(rank).map(|part| part.places.len()).sum()))
    }

    /// For clips that lie one rank after the other: which of them stands at each place of the batch.
    pub fn order(&self) -> Vec<usize> {
        let mut order = vec![0; self.clips];
        let places = (0..self.ranks).flat_map(|rank| self.places(rank));
        places.enumerate().for_each(|(at, place)| order[place] = at);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_rounds_a_rank_takes_one_piece() {
        let places = |clips, ranks, replicas| -> Vec<Vec<usize>> {
            (0..ranks).map(|rank| Shares::of(clips, ranks, replicas, 1).places(rank)).collect()
        };
        assert_eq!(places(8, 2, 1), [vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
        assert_eq!(places(7, 3, 1), [vec![0, 1], vec![2, 3], vec![4, 5, 6]]);
        assert_eq!(places(9, 2, 2), [vec![0, 1, 2, 3], vec![4, 5, 6, 7, 8]]);
        assert_eq!(places(1, 3, 1), [vec![0], vec![], vec![]], "a short last batch");
        assert_eq!(Shares::of(8, 2, 1, 2).places(0), [0, 1, 4, 5], "each round gives every rank its own");
        assert_eq!(Shares::of(8, 2, 1, 2).order(), [0, 1, 4, 5, 2, 3, 6, 7]);
        assert_eq!(Shares::of(0, 2, 1, 2).rounds(), 0);
    }

    proptest! {
        #[test]
        fn every_clip_has_one_rank(clips in 0usize..70, ranks in 1usize..9, replicas in 1usize..4, rounds in 1usize..4) {
            let shares = Shares::of(clips, ranks, replicas, rounds);
            let mut all: Vec<usize> = (0..ranks).flat_map(|rank| shares.places(rank)).collect();
            let order = shares.order();
            for (place, at) in order.iter().enumerate() {
                prop_assert_eq!(all[*at], place);
            }
            all.sort_unstable();
            prop_assert_eq!(all, (0..clips).collect::<Vec<_>>());
            for rank in 0..ranks {
                let rounds: Vec<usize> = shares.parts(rank).map(|part| shares.round_of(part.index)).collect();
                prop_assert!(rounds.is_sorted() && rounds.iter().all(|round| *round < shares.rounds()));
                if rounds.len() > 1 || clips >= shares.at_once() {
                    prop_assert!(shares.parts(rank).all(|part| !part.places.is_empty()));
                }
            }
        }
    }
}
