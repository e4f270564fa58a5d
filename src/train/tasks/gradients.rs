//! How the gradients of both tasks compare, block by block.

use crate::failure::{Failure, Result};
use tch::{Kind, Tensor};

/// The comparison of one block, read from the device; norms are those before clipping.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockGradients {
    /// `backbone.blocks.3`, `box_head`, …; `backbone` and `all` sum over their parts.
    pub name: String,
    /// ‖∇L_box‖.
    pub box_norm: f64,
    /// λ‖∇L_cls‖.
    pub class_norm: f64,
    /// ‖∇L‖.
    pub norm: f64,
    /// ∇L_box · λ∇L_cls.
    pub dot: f64,
    /// ‖∇L − (∇L_box + λ∇L_cls)‖, which only rounding keeps from 0.
    pub residual: f64,
}

impl BlockGradients {
    /// The cosine between the tasks' gradients; `None` where one of them is 0.
    pub fn cosine(&self) -> Option<f64> {
        let norms = self.box_norm * self.class_norm;
        (norms > 0.0).then(|| (self.dot / norms).clamp(-1.0, 1.0))
    }
}

/// The comparison of all blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// In the order of the model; sums last.
    pub blocks: Vec<BlockGradients>,
    /// Whether the three gradients were taken apart from one another, so that their sum says something.
    pub independent: bool,
}

impl Gradients {
    /// The block called `name`.
    pub fn block(&self, name: &str) -> Option<&BlockGradients> {
        self.blocks.iter().find(|block| block.name == name)
    }

    /// How far ∇L = ∇L_box + λ∇L_cls is from being true: the largest residual of a block, as a share of
    /// ‖∇L_box‖ + λ‖∇L_cls‖ there. `None` where one gradient was computed from the other two.
    pub fn identity_error(&self) -> Option<f64> {
        let share = |block: &BlockGradients| match block.box_norm + block.class_norm {
            scale if scale > 0.0 => block.residual / scale,
            _ => 0.0,
        };
        self.independent.then(|| self.blocks.iter().map(share).fold(0.0, f64::max))
    }
}

/// The comparison while it is still on the device.
#[derive(Debug)]
pub struct Analysis {
    blocks: Vec<String>,
    /// `[blocks, 5]` f64: squares of the norms of box, class and whole gradient, dot product, square of the residual.
    values: Tensor,
    independent: bool,
}

const VALUES: i64 = 5;

impl Analysis {
    /// Compares the gradients of the parameters called `names`: the box task's, λ times the class task's and the whole
    /// one, undefined where there is none; `independent` unless one was computed from the others. Nothing waits for the
    /// device.
    pub fn of<'a>(
        names: impl Iterator<Item = &'a str>,
        tasks: [&[Tensor]; 2],
        whole: &[Tensor],
        independent: bool,
    ) -> Option<Self> {
        let mut blocks: Vec<String> = Vec::new();
        let mut rows: Vec<Tensor> = Vec::new();
        for (index, name) in names.enumerate() {
            let at = |gradients: &[Tensor]| gradients.get(index).filter(|x| x.defined()).map(Tensor::shallow_clone);
            let (first, second, sum) = (at(tasks[0]), at(tasks[1]), at(whole));
            let Some(like) = [&first, &second, &sum].into_iter().flatten().next().map(Tensor::shallow_clone) else {
                continue;
            };
            let wide = |x: Option<Tensor>| x.unwrap_or_else(|| like.zeros_like()).to_kind(Kind::Double);
            let (first, second, sum) = (wide(first), wide(second), wide(sum));
            let dot = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double);
            let left = &sum - &first - &second;
            let row =
                [dot(&first, &first), dot(&second, &second), dot(&sum, &sum), dot(&first, &second), dot(&left, &left)];
            let row = Tensor::stack(&row, 0);
            let block = block(name);
            match blocks.iter().position(|known| *known == block) {
                Some(at) => rows[at] += row,
                None => {
                    blocks.push(block);
                    rows.push(row);
                }
            }
        }
        let total = |of: &dyn Fn(&str) -> bool| {
            let parts: Vec<&Tensor> =
                blocks.iter().zip(&rows).filter(|(name, _)| of(name)).map(|(_, row)| row).collect();
            (!parts.is_empty())
                .then(|| Tensor::stack(&parts, 0).sum_dim_intlist([0i64].as_slice(), false, Kind::Double))
        };
        let sums = [("backbone", total(&|name| name.starts_with("backbone."))), ("all", total(&|_| true))];
        for (name, sum) in sums {
            if let Some(sum) = sum {
                blocks.push(name.into());
                rows.push(sum);
            }
        }
        (!rows.is_empty()).then(|| Self { blocks, values: Tensor::stack(&rows, 0), independent })
    }

    /// Reads the comparison from the device.
    ///
    /// # Errors
    /// A transfer that libtorch refuses.
    pub fn read(self) -> Result<Gradients> {
        let values = Vec::<f64>::try_from(&self.values.flatten(0, -1))?;
        let rows = values.chunks_exact(VALUES as usize);
        let blocks = self.blocks.into_iter().zip(rows).map(|(name, row)| {
            let &[first, second, sum, dot, left] = row else {
                return Err(Failure::stage("a comparison of gradients has the wrong length"));
            };
            let [box_norm, class_norm, norm, residual] = [first, second, sum, left].map(f64::sqrt);
            Ok(BlockGradients { name, box_norm, class_norm, norm, dot, residual })
        });
        Ok(Gradients { blocks: blocks.collect::<Result<_>>()?, independent: self.independent })
    }
}

/// The block of a parameter: a block of the backbone, what is left of it as `backbone.embed`, or the part of the model.
fn block(name: &str) -> String {
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("backbone"), Some("blocks"), Some(number)) => format!("backbone.blocks.{number}"),
        (Some("backbone"), Some("norm"), _) => "backbone.norm".into(),
        (Some("backbone"), ..) => "backbone.embed".into(),
        (Some(first), ..) => first.into(),
        _ => name.into(),
    }
}
