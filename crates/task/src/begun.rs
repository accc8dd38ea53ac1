//! A task with its data, as a training and a drawing begin.

use crate::{
    data::Data,
    error::Result,
    options::Chosen,
    parts::Parts,
    task::{Prepared, Task},
};
use unspool::{
    graph::{Params, Precision},
    nn::exchange::Exchange,
};

/// A task with its data and its model's first values.
pub(crate) struct Begun<T: Task> {
    pub(crate) task: T,
    pub(crate) parts: Parts<T::Examples>,
    pub(crate) params: Params,
}

impl<T: Task> Begun<T> {
    /// Reads the data, and builds the model in the precision asked for.
    pub(crate) fn new(chosen: &Chosen<T>, exchange: &dyn Exchange) -> Result<Begun<T>> {
        let data = Data::new(&chosen.data, T::SETS, exchange);
        let Prepared { saved, tokenizer, parts } = T::prepare(&chosen.settings, &data, chosen.seed)?;
        let mut params = Params::seeded(chosen.seed);
        let task = T::restore(saved, tokenizer, &mut params)?;
        params.check()?;
        if chosen.precision == Precision::F64 {
            params = params.to_f64();
        }
        Ok(Begun { task, parts, params })
    }
}
