//! Products of two tensors by Einstein's summation: the letters say which axes are multiplied, summed and kept.

use crate::{Error, Graph, Operand, Var};
use std::panic::Location;

/// What becomes of the axes of two tensors.
struct Plan {
    /// Letters of both that stay: the batch of a matrix product.
    batch: Vec<char>,
    /// Letters of the first alone, of both but not of the result, and of the second alone.
    left: Vec<char>,
    summed: Vec<char>,
    right: Vec<char>,
    output: Vec<char>,
}

impl Plan {
    fn new(formula: &str) -> Result<([Vec<char>; 2], Plan), String> {
        let form = || format!("{formula:?} is not of the form \"ij,jk->ik\"");
        let letters = |text: &str| {
            let all: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
            all.iter().all(|c| c.is_alphabetic()).then_some(all)
        };
        let (inputs, output) = formula.split_once("->").ok_or_else(form)?;
        let (a, b) = inputs.split_once(',').ok_or_else(form)?;
        let (Some(a), Some(b), Some(output)) = (letters(a), letters(b), letters(output)) else { return Err(form()) };
        for side in [&a, &b, &output] {
            if let Some((i, twice)) = side.iter().enumerate().find(|(i, c)| side[..*i].contains(c)) {
                return Err(format!("{formula:?} has {twice:?} twice in one tensor (at place {i})"));
            }
        }
        if let Some(strange) = output.iter().find(|c| !a.contains(c) && !b.contains(c)) {
            return Err(format!("{formula:?} has {strange:?} in the result alone"));
        }
        let (mut batch, mut left, mut summed) = (vec![], vec![], vec![]);
        for &c in &a {
            match (b.contains(&c), output.contains(&c)) {
                (true, true) => batch.push(c),
                (true, false) => summed.push(c),
                (false, true) => left.push(c),
                // Summed before the product.
                (false, false) => {}
            }
        }
        let right = b.iter().copied().filter(|c| !a.contains(c) && output.contains(c)).collect();
        Ok(([a, b], Plan { batch, left, summed, right, output }))
    }
}

impl<'g> Graph<'g> {
    /// Returns the product of two tensors by Einstein's summation convention: each axis has a letter; letters that both
    /// tensors have are multiplied, and those that the result has not are summed over.
    ///
    /// It is one batched matrix product, with the axes put in order around it; each tensor's letters must differ.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let (queries, keys) = (graph.zeros([2, 7, 4, 8]), graph.zeros([2, 5, 4, 8])); // [batch, time, head, feature]
    /// let scores = graph.einsum("bthd,bshd->bhts", queries, keys);
    /// assert_eq!(scores.shape()?, [2, 4, 7, 5]);
    /// let x = graph.input(array![1.0f32, 2.0]);
    /// assert_eq!(graph.einsum("i,j->ij", x, x).value()?, array![[1.0f32, 2.0], [2.0, 4.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn einsum(&'g self, formula: &str, a: impl Operand<'g>, b: impl Operand<'g>) -> Var<'g> {
        self.einsum_at(formula, a.on(self), b.on(self), Location::caller())
    }

    fn einsum_at(&'g self, formula: &str, a: Var<'g>, b: Var<'g>, line: &'static Location<'static>) -> Var<'g> {
        let (Some(of_a), Some(of_b)) = (a.known_shape(), b.known_shape()) else { return self.inert() };
        let planned = Plan::new(formula).and_then(|(letters, plan)| {
            for (letters, shape) in letters.iter().zip([&of_a, &of_b]) {
                if letters.len() != shape.len() {
                    let letters: String = letters.iter().collect();
                    return Err(format!("{letters:?} does not name the {} axes of {shape}", shape.len()));
                }
            }
            let size = |c: char| {
                let of = |letters: &[char], shape: &[usize]| Some(shape[letters.iter().position(|&l| l == c)?]);
                [of(&letters[0], &of_a), of(&letters[1], &of_b)]
            };
            for &c in letters.iter().flatten() {
                if let [Some(x), Some(y)] = size(c)
                    && x != y
                {
                    return Err(format!("{c:?} is {x} in {of_a} and {y} in {of_b}"));
                }
            }
            let sizes = |all: &[char]| -> Vec<usize> {
                all.iter().map(|&c| size(c).into_iter().flatten().next().unwrap_or(1)).collect()
            };
            let sizes = [sizes(&plan.batch), sizes(&plan.left), sizes(&plan.summed), sizes(&plan.right)];
            Ok((letters, plan, sizes))
        });
        let (letters, plan, [batch, left, summed, right]) = match planned {
            Ok(planned) => planned,
            Err(why) => {
                let at = self.place_of(self.mark(line));
                self.fail(Error::Argument { operation: "einsum", why, at });
                return self.inert();
            }
        };
        let product = |sizes: &[usize]| sizes.iter().product::<usize>();
        let (m, k, n) = (product(&left), product(&summed), product(&right));
        let matrix = |rows, columns| -> Vec<usize> { batch.iter().copied().chain([rows, columns]).collect() };
        let order = |parts: [&[char]; 3]| parts.concat();
        let a = arranged(a, &letters[0], &order([&plan.batch, &plan.left, &plan.summed])).reshape(matrix(m, k));
        let b = arranged(b, &letters[1], &order([&plan.batch, &plan.summed, &plan.right])).reshape(matrix(k, n));
        let given = order([&plan.batch, &plan.left, &plan.right]);
        arranged(a.matmul(b).reshape([batch, left, right].concat()), &given, &plan.output)
    }
}

/// A tensor whose axes have these letters, summed over those that `order` has not, with the others in its order.
fn arranged<'g>(x: Var<'g>, letters: &[char], order: &[char]) -> Var<'g> {
    let gone: Vec<isize> = (0..letters.len()).filter(|&i| !order.contains(&letters[i])).map(|i| i as isize).collect();
    let x = if gone.is_empty() { x } else { x.sum(&gone) };
    let kept: Vec<char> = letters.iter().copied().filter(|c| order.contains(c)).collect();
    let axes: Vec<usize> = order.iter().filter_map(|c| kept.iter().position(|k| k == c)).collect();
    if axes.iter().enumerate().all(|(i, &axis)| i == axis) { x } else { x.permute(&axes) }
}
