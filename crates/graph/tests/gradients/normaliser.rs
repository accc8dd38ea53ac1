//! Softmax, cross-entropy, layer normalization.

use crate::case::{case, right};
use proptest::prelude::*;
use unspool_graph::CrossEntropy;

cases! {
    softmax_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).softmax())
    };
    log_softmax_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).log_softmax())
    };
    masked_softmax_is_right: |c| {
        let c = c.axes(1);
        let flags = c.flags(c.shape.iter().product());
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).masked_softmax(flags.clone()))
    };
    masks_that_broadcast_are_right: |c| {
        let c = c.axes(1);
        let narrow = c.narrow();
        let mask = c.away(&narrow).mapv(|x| x > 0.0);
        let wide: Vec<bool> = mask.broadcast(c.shape.clone()).unwrap().iter().copied().collect();
        right(&[c.away(&c.shape)], |_, x| {
            c.made(x[0]).masked_softmax(mask.view()) + x[0].masked_log_softmax(mask.view())
        })?;
        let params = unspool_graph::Params::seeded(0).to_f64();
        let graph = unspool_graph::Graph::new(&params);
        let x = graph.input(c.away(&c.shape));
        prop_assert_eq!(x.masked_softmax(mask.view()).value(), x.masked_softmax(wide.clone()).value());
        prop_assert_eq!(x.masked_log_softmax(mask).value(), x.masked_log_softmax(wide).value());
        Ok::<(), TestCaseError>(())
    };
    masked_log_softmax_is_right: |c| {
        let c = c.axes(1);
        let flags = c.flags(c.shape.iter().product());
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).masked_log_softmax(flags.clone()))
    };
    cross_entropy_is_right: |c| {
        let c = c.axes(1);
        let classes = c.shape[c.rank() - 1];
        let targets = c.numbers(c.shape.iter().product::<usize>() / classes, classes);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).cross_entropy(&targets))
    };
    cross_entropy_with_its_options_is_right: |c| {
        let c = c.axes(1);
        let classes = c.shape[c.rank() - 1];
        let rows = c.shape.iter().product::<usize>() / classes;
        let targets = c.numbers(rows, classes);
        let mut options = CrossEntropy::new();
        if c.below("smooth", 2) == 0 {
            options = options.smoothing(0.2);
        }
        if c.below("weights", 2) == 0 {
            options = options.weights(c.flags(rows).iter().map(|&f| if f { 0.75 } else { 0.0 }).collect::<Vec<_>>());
        }
        if c.below("classes", 2) == 0 {
            options = options.class_weights((0..classes).map(|j| 0.5 + j as f32).collect::<Vec<_>>());
        }
        if c.below("ignore", 2) == 0 {
            options = options.ignore(c.below("ignored", classes) as u32);
        }
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).cross_entropy_with(&targets, options.clone()))
    };
    cross_entropy_of_no_rows_is_right: |c| {
        right(&[c.away(&[2, 3])], |_, x| x[0].slice(0, 0..0).cross_entropy(&[]).sum_all() + x[0])
    };
    layer_norm_is_right: |c| {
        let c = c.axes(1);
        let n = c.shape[c.rank() - 1];
        right(&[c.apart(&c.shape), c.positive(&[n]), c.away(&[n])], |_, x| {
            c.made(x[0]).layer_norm(x[1], x[2], 1e-2)
        })
    };
}
