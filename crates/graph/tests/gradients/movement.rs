//! Operations that only move elements, and tables of rows.

use crate::case::{case, right};
use proptest::prelude::*;
use unspool_graph::{Graph, Params, Var, init};

of_one! {
    reshape_is_right: away, |c, x| {
        let mut shape = x.known_shape().map_or(vec![], |s| s.to_vec());
        shape.reverse();
        x.reshape(shape).tanh()
    };
    reshape_to_a_row_is_right: away, |c, x| x.reshape([x.known_shape().map_or(0, |s| s.elements())]).exp();
    unsqueeze_is_right: away, |c, x| {
        let at = c.below("at", c.rank() + 1) as isize;
        x.unsqueeze(at).tanh() + x.unsqueeze(at - c.rank() as isize - 1)
    };
    squeeze_is_right: away, |c, x| {
        let at = c.below("at", c.rank() + 1) as isize;
        x.unsqueeze(at).squeeze(at).tanh()
    };
    permute_is_right: away, |c, x| x.permute(&c.order(c.rank())) * x.permute(&c.order(c.rank())).sum_all();
}

cases! {
    transpose_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).transpose(c.axis(), c.below("b", c.rank()) as isize).exp())
    };
    slice_is_right: |c| {
        let c = c.axes(1);
        let from = c.below("from", c.size() + 1);
        let to = from + c.below("to", c.size() + 1 - from);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).slice(c.axis(), from..to).exp())
    };
    index_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).index(c.axis(), c.below("i", c.size())).exp())
    };
    split_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.with(c.axis(), 4))], |_, x| {
            let pieces = c.made(x[0]).split(c.axis(), [1, 2, 4][c.below("size", 3)]);
            pieces.iter().skip(1).fold(pieces[0].exp(), |sum, p| sum * 0.5 + *p)
        })
    };
    chunk_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.with(c.axis(), 6))], |_, x| {
            let [a, b, d] = c.made(x[0]).chunk(c.axis());
            a.tanh() * b + d
        })
    };
    flip_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).flip(c.axis()) * c.thin(x[0]))
    };
    expand_is_right: |c| right(&[c.away(&c.narrow())], |_, x| x[0].expand(&c.shape).exp());
    expand_to_nothing_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.with(c.axis(), 1))], |_, x| x[0].expand(c.with(c.axis(), 0)).sum_all() + x[0])
    };
    pad_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| {
            c.thin(x[0]).pad(c.axis(), c.below("before", 3), c.below("after", 3)).exp()
        })
    };
    concat_is_right: |c| {
        let c = c.axes(1);
        let (a, b) = (c.away(&c.shape), c.positive(&c.with(c.axis(), 2)));
        right(&[a, b], |g, x| g.concat(&[x[0], c.made(x[1]), x[0], x[1].slice(c.axis(), 0..0)], c.axis()).exp())
    };
    concat_of_one_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |g, x| g.concat(&[x[0]], c.axis()).exp())
    };
    stack_is_right: |c| {
        let at = c.below("at", c.rank() + 1) as isize;
        let (a, b) = (c.away(&c.shape), c.positive(&c.shape));
        right(&[a, b], |g, x| g.stack(&[c.thin(x[0]), c.thin(x[1]), c.thin(x[0])], at).exp())?;
        right(&[c.away(&c.shape)], |g, x| g.stack(&[x[0]], at - c.rank() as isize - 1).exp())
    };
    rows_is_right: |c| {
        let c = c.axes(1);
        let ids = c.numbers(c.below("count", 6), c.shape[0]);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).index_select(&ids).exp())
    };
    gather_is_right: |c| {
        let c = c.axes(1);
        let index: Vec<usize> = c.shape.iter().map(|&n| c.below("keep", n) + 1).collect();
        let index = c.away(&index).mapv(|x| (x.abs() * 1e6) as u32 % c.size() as u32);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).gather(c.axis(), index.view()).exp())
    };
    sort_is_right: |c| {
        let c = c.axes(1);
        right(&[c.apart(&c.shape)], |_, x| c.made(x[0]).sort(c.axis()).0 * x[0])
    };
    gather_places_is_right: |c| {
        let c = c.axes(2);
        let sources = c.numbers(c.below("count", 9), c.shape[0] * c.shape[1]);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).gather_steps(sources.clone().into()).exp())
    };
    real_rows_is_right: |c| {
        let c = c.axes(2);
        let lengths: Vec<usize> = c.numbers(c.shape[0], c.shape[1] + 1).iter().map(|&n| n as usize).collect();
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).pack(&lengths).exp())
    };
    flip_within_is_right: |c| {
        let c = c.axes(2);
        let lengths: Vec<usize> = c.numbers(c.shape[0], c.shape[1] + 1).iter().map(|&n| n as usize).collect();
        right(&[c.away(&c.shape), c.positive(&c.shape)], |_, x| c.made(x[0]).reverse_sequence(&lengths) * x[1])?;
        let nothing = vec![0; c.shape[0]];
        right(&[c.away(&c.with(1, 2))], |_, x| x[0].slice(1, 0..0).reverse_sequence(&nothing).sum_all() + x[0])
    };
    arrange_rows_is_right: |c| {
        let c = c.axes(1).most(4);
        let (a, b) = (c.away(&c.shape), c.positive(&c.with(0, 2)));
        let rows = c.shape[0] + 2;
        let mut sources = c.numbers(6, rows + 1);
        sources.iter_mut().filter(|s| **s == rows as u32).for_each(|s| *s = u32::MAX);
        right(&[a, b], |g, x| g.gather_rows(&[x[0], c.made(x[1])], sources.clone().into(), [2, 3]).exp())
    };
    embedding_is_right: |c| {
        let (rows, n) = (c.below("rows", 4) + 1, c.below("count", 4));
        let ids = c.numbers(2 * n, rows);
        right(&[c.away(&[rows, 3])], |g, x| g.embedding(c.made(x[0]), &ids, [2, n], None).exp())
    };
    embedding_and_a_dense_use_of_one_table_are_right: |c| {
        let ids = c.numbers(5, 4);
        right(&[c.away(&[4, 3]), c.positive(&[2, 3])], |g, x| {
            g.embedding(x[0], &ids, [5], None).exp().sum_all() + x[1].linear(x[0], None::<Var<'_>>)
        })
    };
}

#[test]
fn the_padding_row_of_an_embedding_gets_no_gradient() {
    let mut params = Params::seeded(0).to_f64();
    let table = params.scope("words").add("table", [3, 2], init::uniform(1.0));
    let graph = Graph::new(&params);
    for of in [graph.param(table), graph.param(table) * 1.0] {
        let y = graph.embedding(of, &[0, 1, 0], [3], Some(0)).sum_all();
        let gradient = y.backward().unwrap().of(table).unwrap().to_f64();
        assert_eq!(gradient.as_slice().unwrap(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }
}
