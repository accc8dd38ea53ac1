//! Activation functions, elementwise.

use super::{arithmetic::unary, elementwise::Unary};
use crate::{Activation, Element, Var};
use std::panic::Location;

unary!(/// y = tanh x;  dy/dx = 1 − y²
    Tanh, "tanh", |x| x.tanh(), |_, y| E::ONE - y * y, Activation::Tanh);
unary!(/// y = 1 / (1 + e⁻ˣ);  dy/dx = y (1 − y)
    Sigmoid, "sigmoid", |x| x.sigmoid(), |_, y| y * (E::ONE - y), Activation::Sigmoid);
unary!(/// y = max(x, 0);  dy/dx = 1 for x > 0, else 0; not-a-number stays
    Relu, "relu", |x| if x < E::ZERO { E::ZERO } else { x }, |x, _| if x > E::ZERO { E::ONE } else { E::ZERO });
unary!(/// y = x for x > 0, else slope · x
    LeakyRelu(f64), "leaky_relu", |x, slope| if x < E::ZERO { slope * x } else { x },
    |x, _, slope| if x > E::ZERO { E::ONE } else { slope });
unary!(/// y = x · Φ(x) with the normal distribution's Φ (Hendrycks and Gimpel 2016);  dy/dx = Φ(x) + x·φ(x)
    Gelu, "gelu", |x| x * normal_below(x),
    |x, _| normal_below(x) + x * (-x * x * E::from_f64(0.5)).exp() * E::from_f64(0.398_942_280_401_432_7));
unary!(/// y = x · σ(x);  dy/dx = σ(x) + y (1 − σ(x))
    Silu, "silu", |x| x * x.sigmoid(), |x, y| x.sigmoid() + y * (E::ONE - x.sigmoid()));
unary!(/// y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), which does not overflow;  dy/dx = σ(x)
    Softplus, "softplus", |x| if x > E::ZERO { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() },
    |x, _| x.sigmoid());

unary!(/// y = x for x > 0, else scale · (eˣ − 1) (Clevert, Unterthiner and Hochreiter 2016);
    /// dy/dx = 1 for x > 0, else y + scale
    Elu(f64), "elu", |x, scale| if x > E::ZERO { x } else { scale * x.exp_m1() },
    |x, y, scale| if x > E::ZERO { E::ONE } else { y + scale });
unary!(/// y = x limited to [−1, 1];  dy/dx = 1 between, else 0
    HardTanh, "hardtanh", |x| if x > E::ONE { E::ONE } else if x < -E::ONE { -E::ONE } else { x },
    |x, _| if x > -E::ONE && x < E::ONE { E::ONE } else { E::ZERO });
unary!(/// y = ln σ(x) = min(x, 0) − ln(1 + e^−|x|), which does not overflow;  dy/dx = σ(−x)
    LogSigmoid, "log_sigmoid", |x| if x > E::ZERO { -(-x).exp().ln_1p() } else { x - x.exp().ln_1p() },
    |x, _| (-x).sigmoid());

fn normal_below<E: Element>(x: E) -> E {
    E::from_f64(0.5) * (E::ONE + (x * E::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

impl<'g> Var<'g> {
    /// Returns tanh x, elementwise.
    #[track_caller]
    pub fn tanh(self) -> Var<'g> {
        self.map(Tanh, Location::caller())
    }
    /// Returns 1 / (1 + e⁻ˣ), elementwise.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![-1000.0f32, 0.0, 1000.0]).sigmoid();
    /// assert_eq!(y.value()?, array![0.0f32, 0.5, 1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sigmoid(self) -> Var<'g> {
        self.map(Sigmoid, Location::caller())
    }
    /// Returns max(x, 0), elementwise; its gradient at 0 is 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![-2.0f32, 0.0, 3.0]).watch();
    /// assert_eq!(x.relu().value()?, array![0.0f32, 0.0, 3.0].into());
    /// let gradients = x.relu().sum_all().backward()?;
    /// assert_eq!(gradients.of(x).unwrap(), array![0.0f32, 0.0, 1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn relu(self) -> Var<'g> {
        self.map(Relu, Location::caller())
    }
    /// Returns x where it is positive, `slope` · x elsewhere.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![-2.0f32, 3.0]).leaky_relu(0.5);
    /// assert_eq!(y.value()?, array![-1.0f32, 3.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Var<'g> {
        self.map(LeakyRelu(slope), Location::caller())
    }
    /// Returns x · Φ(x), the Gaussian error linear unit (Hendrycks and Gimpel 2016), elementwise and exact.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![-100.0f32, 0.0, 100.0]).gelu();
    /// assert_eq!(y.value()?, array![-0.0f32, 0.0, 100.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn gelu(self) -> Var<'g> {
        self.map(Gelu, Location::caller())
    }
    /// Returns x · σ(x), elementwise (Elfwing, Uchibe and Doya 2018).
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![-1.5f32, 2.0]);
    /// assert_eq!(x.silu().value()?, (x * x.sigmoid()).value()?);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn silu(self) -> Var<'g> {
        self.map(Silu, Location::caller())
    }
    /// Returns ln(1 + eˣ), elementwise, safe for any x.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![0.0f32, 1000.0]).softplus().to_f64()?;
    /// assert!((y[[0]] - 2f64.ln()).abs() < 1e-6);
    /// assert_eq!(y[[1]], 1000.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn softplus(self) -> Var<'g> {
        self.map(Softplus, Location::caller())
    }
    /// Returns x where it is above 0, else scale · (eˣ − 1), elementwise. PyTorch's default scale is 1.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![2.0f32, 0.0]).elu(1.0).value()?, array![2.0f32, 0.0].into());
    /// assert!(graph.input(array![-50.0f32]).elu(0.5).item()? == -0.5);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn elu(self, scale: f64) -> Var<'g> {
        self.map(Elu(scale), Location::caller())
    }
    /// Returns x limited to [−1, 1], elementwise, with gradient 0 from there on.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![-3.0f32, 0.5]).hardtanh().value()?, array![-1.0f32, 0.5].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn hardtanh(self) -> Var<'g> {
        self.map(HardTanh, Location::caller())
    }
    /// Returns ln σ(x), elementwise: exact also where σ(x) is 0 or 1 in its precision.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![-1000.0f32]).log_sigmoid().item()?, -1000.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn log_sigmoid(self) -> Var<'g> {
        self.map(LogSigmoid, Location::caller())
    }
}
