//! Sums, means, extremes and their like over axes, and pooling.

use crate::case::{case, right};
use proptest::prelude::*;

of_one! {
    sum_is_right: away, |c, x| x.sum(&c.some_axes());
    sum_all_is_right: away, |c, x| x.sum_all();
    // The slope of a deviation turns ever faster as values come together, and differences over 1e-4 lose track of it.
    std_is_right: apart, |c, x| {
        let count = x.known_shape().map_or(1, |shape| shape.elements());
        if count > 1 { x.std(&[], 1).exp() + x.std(&[], 0) } else { x.sum_all() }
    };
    norm_is_right: away, |c, x| x.norm(&c.some_axes());
}

cases! {
    mean_is_right: |c| right(&[c.away(&c.shape)], |_, x| c.made(x[0]).mean(&c.some_axes()));
    var_is_right: |c| right(&[c.apart(&c.shape)], |_, x| c.made(x[0]).var(&c.some_axes(), 0).exp());
    var_with_a_correction_is_right: |c| {
        let c = c.axes(1);
        right(&[c.apart(&c.with(c.axis(), 3))], |_, x| c.made(x[0]).var(&[c.axis()], 1).tanh())
    };
    logsumexp_is_right: |c| right(&[c.away(&c.shape)], |_, x| c.made(x[0]).logsumexp(&c.some_axes()));
    max_and_min_over_axes_are_right: |c| {
        let c = c.most(3);
        right(&[c.apart(&c.shape)], |_, x| c.made(x[0]).max(&c.some_axes()).exp())?;
        right(&[c.apart(&c.shape)], |_, x| c.made(x[0]).min(&c.some_axes()).exp())
    };
    cumsum_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).cumsum(c.axis()).tanh())
    };
    max_pool2d_is_right: |c| {
        let c = c.axes(1);
        let shape: Vec<usize> = c.shape.iter().copied().take(3).chain([4, 5]).collect();
        right(&[c.apart(&shape)], |_, x| {
            let x = c.thin_front(x[0]);
            x.max_pool2d([c.below("a", 3) + 1, 2], [c.below("b", 3) + 1, 1]).exp()
        })
    };
    mean_pool2d_is_right: |c| {
        let c = c.axes(1);
        let shape: Vec<usize> = c.shape.iter().copied().take(3).chain([4, 5]).collect();
        right(&[c.away(&shape)], |_, x| {
            let x = c.thin_front(x[0]);
            x.mean_pool2d([c.below("a", 3) + 1, 2], [c.below("b", 3) + 1, 1]).exp()
        })
    };
}
