//! The keys of the store that the ranks share.

/// What ended the run, in words, from the rank that found out first.
pub const FAILURE: &str = "failure";

/// How many ranks have read that.
pub const HEARD: &str = "heard";

/// What rank 0 says of those who joined, as JSON.
pub const CHECKED: &str = "checked";

/// A rank's sign of life: a number that grows, and what it does.
pub fn beat(rank: usize) -> String {
    format!("beat/{rank}")
}

/// A rank's host and process.
pub fn who(rank: usize) -> String {
    format!("who/{rank}")
}

/// What a rank is about to train, as JSON.
pub fn card(rank: usize) -> String {
    format!("card/{rank}")
}

/// How many processes say that they are this rank.
pub fn taken(rank: usize) -> String {
    format!("taken/{rank}")
}
