//! What enters a recording: arrays, constants and parameters.

use crate::{
    Element, Error, Float, Graph, Input, Param, Shape, Var,
    element::typed,
    notes::Exit,
    recording::Recording,
    tape::{NONE, Node, Operands, Value},
};
use std::panic::Location;

impl<'g> Graph<'g> {
    /// Returns what an operation gives that could not run: it has no value, and whatever is made from it has none.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let nothing = graph.inert();
    /// assert!((nothing + 1.0).tanh().value().is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn inert(&'g self) -> Var<'g> {
        Var { graph: self, id: NONE }
    }

    /// Brings an array in, given or lent: an `ndarray` array or view, a [`Tensor`](crate::Tensor), a `Vec` or a number,
    /// of either precision. It gets no gradient unless it is [watched](Var::watch).
    #[track_caller]
    pub fn input<'a>(&'g self, value: impl Into<Input<'a>>) -> Var<'g> {
        self.input_at(value.into(), Location::caller())
    }

    fn input_at(&'g self, value: Input<'_>, line: &'static Location<'static>) -> Var<'g> {
        let Some(shape) = Shape::new(value.shape()) else {
            let why = format!("{:?} has more axes or elements than a tensor can have", value.shape());
            self.fail(Error::Argument { operation: "input", why, at: self.place_of(self.mark(line)) });
            return self.inert();
        };
        typed!(&mut *self.recording.borrow_mut(), recording => {
            let known = self.handed_out.knows(&value);
            let value = match value {
                Input::Shared(tensor) if recording.reads(&tensor) => Value::Lent(tensor),
                value => {
                    let mut buffer = recording.tape.pool.take(shape.elements());
                    value.write_to(&mut buffer);
                    Value::Own(buffer)
                }
            };
            let var = self.push_leaf(recording, value, shape, line);
            if known {
                let by = "a gradient fed back as a constant";
                self.fed_back.borrow_mut().push(Exit { node: var.id, by, mark: self.mark(line) });
            }
            var
        })
    }

    fn push_leaf<E: Float>(
        &'g self,
        recording: &mut Recording<E>,
        value: Value<E>,
        shape: Shape,
        line: &'static Location<'static>,
    ) -> Var<'g> {
        if self.failed() {
            return self.inert();
        }
        let id = recording.push(
            Node {
                value,
                shape,
                operands: Operands::Few(0, [NONE; 3]),
                mark: self.mark(line),
                wants: false,
                watched: false,
                packs: Default::default(),
                name: "input",
            },
            None,
        );
        Var { graph: self, id }
    }

    /// Makes a tensor of zeros.
    #[track_caller]
    pub fn zeros(&'g self, shape: impl AsRef<[usize]>) -> Var<'g> {
        self.full(shape, 0.0)
    }

    /// Makes a tensor of one number everywhere.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.full([2], 0.5).value()?, array![0.5f32, 0.5].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn full(&'g self, shape: impl AsRef<[usize]>, value: f64) -> Var<'g> {
        self.full_at(shape.as_ref(), value, Location::caller())
    }

    fn full_at(&'g self, shape: &[usize], value: f64, line: &'static Location<'static>) -> Var<'g> {
        let Some(shape) = Shape::new(shape) else {
            let why = format!("{shape:?} has more axes or elements than a tensor can have");
            self.fail(Error::Argument { operation: "full", why, at: self.place_of(self.mark(line)) });
            return self.inert();
        };
        typed!(&mut *self.recording.borrow_mut(), recording => {
            match recording.tape.pool.try_take(shape.elements()) {
                Ok(mut buffer) => {
                    buffer.fill(Element::from_f64(value));
                    self.push_leaf(recording, Value::Own(buffer), shape, line)
                }
                Err(why) => {
                    let why = format!("{shape} {why}");
                    self.fail(Error::Argument { operation: "full", why, at: self.place_of(self.mark(line)) });
                    self.inert()
                }
            }
        })
    }

    /// Returns a parameter as a node. Operations take a [`Param`] as it is; this is for where a `Var` has to stand
    /// first.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// use unspool_graph::init;
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::values(vec![1.0, 2.0]));
    /// let graph = Graph::new(&params);
    /// assert_eq!(graph.param(w).sum_all().item()?, 3.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn param(&'g self, p: Param) -> Var<'g> {
        let line = Location::caller();
        if !self.params.owns(p) {
            self.fail(Error::ForeignParam { at: self.place_of(self.mark(line)) });
        }
        if self.failed() {
            return self.inert();
        }
        match self.replacement(p) {
            Some(id) => Var { graph: self, id },
            None => self.own_param(p, line),
        }
    }

    /// The parameter itself, whatever stands in its place.
    pub(crate) fn own_param(&'g self, p: Param, line: &'static Location<'static>) -> Var<'g> {
        typed!(&mut *self.recording.borrow_mut(), recording => {
            let known = recording.tape.entered[p.index as usize];
            if known != NONE {
                return Var { graph: self, id: known };
            }
            let id = recording.push(Node {
                value: Value::Param(p.index),
                shape: self.params.shape(p),
                operands: Operands::Few(0, [NONE; 3]),
                    mark: self.mark(line),
                wants: !self.params.is_frozen(p),
                watched: false,
                packs: Default::default(),
                name: "param",
            }, None);
            recording.tape.entered[p.index as usize] = id;
            Var { graph: self, id }
        })
    }
}
