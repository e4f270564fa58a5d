//! Candidate elimination: search tokens that the template hardly attends to are dropped inside the backbone
//! (Ye et al.: "Joint Feature Learning and Relation Modeling for Tracking", ECCV 2022).

use super::config::TemplateRange;
use tch::{Kind, Tensor};

/// What one block drops.
#[derive(Debug)]
pub(super) struct Cut {
    /// `[B, kept]` i64: positions in the block's search tokens, most attended first.
    pub kept: Tensor,
    /// `[B, removed]` i64: the others.
    pub removed: Tensor,
}

impl Clone for Cut {
    /// The same memory.
    fn clone(&self) -> Self {
        Self { kept: self.kept.shallow_clone(), removed: self.removed.shallow_clone() }
    }
}

/// How many of `tokens` stay at a keep rate.
pub(super) fn kept_count(tokens: i64, rate: f64) -> i64 {
    ((rate * tokens as f64).ceil() as i64).clamp(1, tokens)
}

/// The template tokens of `range` on a `grid` × `grid` template; none for all of them.
pub fn template_rows(range: TemplateRange, grid: i64) -> Option<Vec<i64>> {
    let first = (grid - 1) / 2;
    let last = match range {
        TemplateRange::All => return None,
        TemplateRange::CentrePoint => first,
        TemplateRange::CentreRect => grid / 2,
    };
    Some((first..=last).flat_map(|y| (first..=last).map(move |x| y * grid + x)).collect())
}

/// Ranks the search tokens by the mean attention that the template's `rows` pay them, over heads and rows.
///
/// `query` is `[B, heads, rows, head_dim]`, `key` `[B, heads, template + search, head_dim]`. The full attention matrix
/// is never formed: the block's own attention is fused, and these few rows are computed beside it. No gradient flows,
/// as a ranking has none.
pub(super) fn cut(query: &Tensor, key: &Tensor, template: i64, keep: i64) -> Cut {
    tch::no_grad(|| {
        let scale = (query.size()[3] as f64).powf(-0.5);
        let attention = (query.matmul(&key.transpose(-2, -1)) * scale).softmax(-1, None::<Kind>);
        let search = key.size()[2] - template;
        let score = attention.narrow(3, template, search).mean_dim([2i64].as_slice(), false, None::<Kind>).mean_dim(
            [1i64].as_slice(),
            false,
            None::<Kind>,
        );
        let (_, order) = score.sort(1, true);
        Cut { kept: order.narrow(1, 0, keep), removed: order.narrow(1, keep, search - keep) }
    })
}

/// Takes the rows `index` `[B, n]` of `tokens` `[B, N, C]`.
pub(super) fn take_tokens(tokens: &Tensor, index: &Tensor) -> Tensor {
    let width = tokens.size()[2];
    tokens.gather(1, &index.unsqueeze(-1).expand([-1, -1, width], false), false)
}

/// Puts `tokens` `[B, n, C]` back at their places `index` `[B, n]` of `count`; the dropped ones are zero vectors.
pub(super) fn restore_tokens(tokens: &Tensor, index: &Tensor, count: i64) -> Tensor {
    let (batch, width) = (tokens.size()[0], tokens.size()[2]);
    let empty = Tensor::zeros([batch, count, width], (tokens.kind(), tokens.device()));
    empty.scatter(1, &index.unsqueeze(-1).expand([-1, -1, width], false), tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_round_up_as_in_the_reference() {
        let mut tokens = 576;
        for expected in [404, 283, 199] {
            tokens = kept_count(tokens, 0.7);
            assert_eq!(tokens, expected);
        }
        assert_eq!(kept_count(10, 1.0), 10);
        assert_eq!(kept_count(10, 1e-9), 1);
    }

    #[test]
    fn the_template_range_is_in_the_middle() {
        assert_eq!(template_rows(TemplateRange::CentrePoint, 12), Some(vec![65]));
        assert_eq!(template_rows(TemplateRange::CentrePoint, 8), Some(vec![27]));
        assert_eq!(template_rows(TemplateRange::CentrePoint, 7), Some(vec![24]));
        assert_eq!(template_rows(TemplateRange::CentreRect, 8), Some(vec![27, 28, 35, 36]));
        assert_eq!(template_rows(TemplateRange::CentreRect, 7), Some(vec![24]));
        assert_eq!(template_rows(TemplateRange::All, 7), None);
    }

    #[test]
    fn the_most_attended_tokens_stay_and_come_back_to_their_places() {
        // One head, one template token that looks along the first axis; search token 2 points that way most, then 0.
        let query = Tensor::from_slice(&[1f32, 0.0]).view([1, 1, 1, 2]);
        let key = Tensor::from_slice(&[0f32, 0.0, 2.0, 0.0, -1.0, 0.0, 3.0, 0.0]).view([1, 1, 4, 2]);
        let cut = cut(&query, &key, 1, 2);
        assert_eq!(Vec::<i64>::try_from(cut.kept.view([-1])).unwrap(), [2, 0]);
        assert_eq!(Vec::<i64>::try_from(cut.removed.view([-1])).unwrap(), [1]);
        let search = Tensor::from_slice(&[10f32, 20.0, 30.0]).view([1, 3, 1]);
        let restored = restore_tokens(&take_tokens(&search, &cut.kept), &cut.kept, 3);
        assert_eq!(Vec::<f32>::try_from(restored.view([-1])).unwrap(), [10.0, 0.0, 30.0]);
    }
}
