//! Frames in which a rule says something that its reader would not expect.

use std::ops::AddAssign;

/// How many frames an oddity of the rules touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    /// Without the object, and a miss for AUC and OP.
    pub absent: usize,
    /// Of those, misses for P.
    pub pixel_misses: usize,
    /// Of those, hits for P.
    pub pixel_hits: usize,
    /// Of those, hits for Pnorm.
    pub normalised_hits: usize,
    /// With the object, but taken for absent because its box is at the left or top edge.
    pub at_edge: usize,
    /// Results without size, for which the one before stands.
    pub repeated: usize,
    /// Beyond the ground truth's last.
    pub surplus: usize,
    /// Without a result: a box of zeros.
    pub lacking: usize,
    /// Without a result, and left out.
    pub unscored: usize,
    /// With an overlap that rounding put above 1, so that it is above the bound 1 too.
    pub above_one: usize,
    /// With a left or top edge outside the picture that moved without the size being cut.
    pub shifted: usize,
    /// Marked as absent by `absence.label`, and scored.
    pub absence_unread: usize,
    /// With a negative size, taken for none.
    pub negative: usize,
}

impl AddAssign for Odd {
    fn add_assign(&mut self, other: Self) {
        self.absent += other.absent;
        self.pixel_misses += other.pixel_misses;
        self.pixel_hits += other.pixel_hits;
        self.normalised_hits += other.normalised_hits;
        self.at_edge += other.at_edge;
        self.repeated += other.repeated;
        self.surplus += other.surplus;
        self.lacking += other.lacking;
        self.unscored += other.unscored;
        self.above_one += other.above_one;
        self.shifted += other.shifted;
        self.absence_unread += other.absence_unread;
        self.negative += other.negative;
    }
}

impl Odd {
    /// A line for each oddity that touched a frame.
    pub fn lines(&self) -> Vec<String> {
        let frames = |count: usize| if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") };
        let mut lines = Vec::new();
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                lines.push(format!("{} {what}", frames(count)));
            }
        };
        say(self.absent, "without a valid ground truth count as misses in AUC, OP50 and OP75");
        say(self.pixel_misses, "without a valid ground truth count as misses in P");
        say(self.pixel_hits, "without a valid ground truth count as HITS in P");
        say(self.normalised_hits, "without a valid ground truth count as HITS in Pnorm");
        say(self.at_edge, "of these show the object, but its box touches or passes the left or top edge");
        say(self.repeated, "with a result without size take over the one before");
        say(self.surplus, "of results beyond the end of the ground truth are cut off");
        say(self.lacking, "beyond the end of the results are scored as a box of zeros");
        say(self.unscored, "beyond the end of the results are skipped");
        say(self.above_one, "have an overlap that rounding puts above 1, which counts at the bound 1 too");
        say(self.shifted, "have a box past the left or top edge, moved to it with its size uncut");
        say(self.absence_unread, "marked as absent (absence.label) are scored: only cover.label is read");
        say(self.negative, "have a result of negative size, which counts as none");
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_mattered_is_said() {
        let mut all = Odd { absent: 1, normalised_hits: 1, ..Odd::default() };
        assert!(Odd::default().lines().is_empty());
        all += Odd { absent: 2, ..Odd::default() };
        let lines = all.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("3 frames without a valid") && lines[1].contains("HITS in Pnorm"), "{lines:?}");
    }
}
