//! Products, convolutions, and a segment that is recorded again.

use crate::case::{case, right};
use proptest::prelude::*;
use unspool_graph::Var;

cases! {
    matmul_of_matrices_is_right: |c| {
        let (m, k, n) = (c.below("m", 4), c.below("k", 4), c.below("n", 4));
        right(&[c.away(&[3, 3]), c.positive(&[3, 3])], |_, x| {
            let (a, b) = (x[0].slice(0, 0..m).slice(1, 0..k), x[1].slice(0, 0..k).slice(1, 0..n));
            c.made(a).matmul(c.made(b)).exp()
        })
    };
    matmul_of_two_parameters_is_right: |c| {
        let (m, n) = (c.below("m", 4) + 1, c.below("n", 4) + 1);
        right(&[c.away(&[m, 3]), c.positive(&[3, n])], |_, x| x[0].matmul(x[1]).tanh())
    };
    matmul_of_a_batch_by_one_matrix_is_right: |c| {
        let c = c.axes(2).most(4);
        let k = c.shape[c.rank() - 1];
        let n = c.below("n", 3) + 1;
        right(&[c.away(&c.shape), c.positive(&[k, n])], |_, x| c.thin_front(x[0]).matmul(c.made(x[1])).tanh())
    };
    matmul_of_batches_is_right: |c| {
        let c = c.most(3);
        let (mut a, mut b) = (c.shape.clone(), c.narrow());
        if c.below("swap", 2) == 0 {
            std::mem::swap(&mut a, &mut b);
        }
        a.extend([c.below("m", 3) + 1, 2]);
        b.extend([2, c.below("n", 3) + 1]);
        right(&[c.away(&a), c.positive(&b)], |_, x| c.made(x[0]).matmul(c.made(x[1])).tanh())
    };
    matmul_of_batches_over_no_middle_is_zero_and_right: |c| {
        right(&[c.away(&[2, 2, 3]), c.positive(&[2, 3, 2])], |_, x| {
            x[0].slice(2, 0..0).matmul(x[1].slice(1, 0..0)) + x[0].sum_all()
        })
    };
    matmul_with_vectors_is_right: |c| {
        let c = c.axes(2).most(4);
        let (m, k) = (c.shape[c.rank() - 2], c.shape[c.rank() - 1]);
        let inputs = [c.away(&c.shape), c.positive(&[k]), c.away(&[m])];
        right(&inputs, |_, x| x[0].matmul(x[1]).tanh().sum_all() + x[2].matmul(x[0]).tanh())?;
        right(&[c.away(&[k]), c.positive(&[k])], |_, x| x[0].matmul(x[1]).tanh())
    };
    linear_with_bias_is_right: |c| {
        let c = c.axes(1);
        let (k, n) = (c.shape[c.rank() - 1], c.below("n", 3) + 1);
        let inputs = [c.away(&c.shape), c.positive(&[n, k]), c.away(&[n])];
        right(&inputs, |_, x| c.thin_front(x[0]).linear(c.made(x[1]), Some(x[2])).tanh())
    };
    linear_without_bias_is_right: |c| {
        let c = c.axes(1);
        let (k, n) = (c.shape[c.rank() - 1], c.below("n", 3) + 1);
        right(&[c.away(&c.shape), c.positive(&[n, k])], |_, x| {
            c.thin_front(x[0]).linear(c.made(x[1]), None::<Var<'_>>).tanh()
        })
    };
    linear_of_a_reshaped_parameter_is_right: |c| {
        right(&[c.away(&[2, 3]), c.positive(&[2, 3])], |_, x| {
            let first = x[0].linear(x[1], None::<Var<'_>>);
            first.tanh().sum_all() + x[0].slice(1, 0..2).linear(x[1].reshape([3, 2]), None::<Var<'_>>).tanh()
        })
    };
    conv2d_is_right: |c| {
        let (pair, c) = (|what: &str, n: usize| [c.below(what, n), c.below(&format!("{what} 2"), n)], &c);
        let (kernel, stride) = (pair("kernel", 3).map(|k| k + 1), pair("stride", 2).map(|s| s + 1));
        let padding = pair("padding", 3);
        let (channels, out) = (c.below("channels", 2) + 1, c.below("out", 3) + 1);
        let plane = pair("plane", 3).map(|p| p + 3);
        let lead = c.shape.iter().copied().take(3).collect::<Vec<_>>();
        let shape: Vec<usize> = lead.iter().copied().chain([channels, plane[0], plane[1]]).collect();
        let biased = c.below("biased", 2) == 0;
        right(&[c.away(&shape), c.away(&[out, channels, kernel[0], kernel[1]]), c.away(&[out])], |_, x| {
            let thin = c.below("thin", 4) == 0 && !lead.is_empty();
            let (a, bias) = (if thin { x[0].slice(0, 0..0) } else { c.made(x[0]) }, biased.then_some(x[2]));
            (a.conv2d(c.made(x[1]), bias, stride, padding) * 0.3).tanh()
        })
    };
    conv1d_is_right: |c| {
        let (kernel, padding, stride) = (c.below("kernel", 3) + 1, c.below("padding", 3), c.below("stride", 2) + 1);
        let lead = c.shape.iter().copied().take(3).collect::<Vec<_>>();
        let shape: Vec<usize> = lead.iter().copied().chain([2, 4]).collect();
        let biased = c.below("biased", 2) == 0;
        right(&[c.away(&shape), c.away(&[3, 2, kernel]), c.away(&[3])], |_, x| {
            (c.made(x[0]).conv1d(c.made(x[1]), biased.then_some(x[2]), stride, padding) * 0.3).tanh()
        })
    };
    einsum_is_right: |c| {
        let formulas = [
            ("ij,jk->ik", [2, 3, 0, 0], [3, 4, 0, 0]),
            ("ij,kj->ki", [2, 3, 0, 0], [4, 3, 0, 0]),
            ("i,j->ij", [2, 0, 0, 0], [3, 0, 0, 0]),
            ("i,i->", [3, 0, 0, 0], [3, 0, 0, 0]),
            ("ij,ij->ji", [2, 3, 0, 0], [2, 3, 0, 0]),
            ("bthd,bshd->bhts", [2, 3, 2, 2], [2, 1, 2, 2]),
            ("ijl,jk->k", [2, 3, 2, 0], [3, 4, 0, 0]),
            ("ij,jkm->im", [2, 3, 0, 0], [3, 2, 2, 0]),
        ];
        let (formula, a, b) = formulas[c.below("formula", formulas.len())];
        let shape = |all: [usize; 4]| all.into_iter().filter(|&n| n > 0).collect::<Vec<_>>();
        right(&[c.away(&shape(a)), c.positive(&shape(b))], |g, x| g.einsum(formula, c.made(x[0]), c.made(x[1])).tanh())
    };
    conv2d_without_channels_is_right: |c| {
        right(&[c.away(&[2, 2, 3, 3]), c.away(&[2, 2, 2, 2]), c.away(&[2])], |g, x| {
            let none = x[0].slice(1, 0..0).conv2d(x[1].slice(1, 0..0), Some(x[2]), [1, 1], [0, 0]);
            let nowhere = x[0].conv2d(x[1].slice(0, 0..0), None::<Var<'_>>, [1, 1], [0, 0]);
            g.concat(&[none, nowhere], 1).exp()
        })
    };
    recompute_is_right: |c| {
        let narrow = c.narrow();
        right(&[c.away(&c.shape), c.positive(&narrow)], |g, x| {
            let part = c.thin(x[0]);
            let inside = g.recompute(|_, v| (v[0] * v[1]).tanh() * v[2], &[c.made(x[0]), x[1], x[0]]);
            inside + g.recompute(|g, v| g.recompute(|_, v| v[0].exp(), v).sum_all(), &[part]) * x[1]
        })
    };
}
