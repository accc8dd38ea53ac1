//! First values: each initializer has the distribution of its formula, and each layer begins as PyTorch's does.

use unspool_graph::{Params, RngKey, Shape, init};
use unspool_nn::{Conv2d, Embedding, Gru, LayerNorm, Linear, Lstm, LstmConfig, MultiheadAttention};

/// A sample against a distribution: mean, deviation and fourth moment within five standard errors, which of 10⁵ draws
/// is a percent or two.
struct Sample(Vec<f64>);

impl Sample {
    fn moment(&self, power: i32) -> f64 {
        self.0.iter().map(|x| x.powi(power)).sum::<f64>() / self.0.len() as f64
    }

    /// Uniform in ±`bound`: variance bound²/3, fourth moment bound⁴/5; all of it inside, and both ends nearly reached.
    fn is_uniform(&self, bound: f64) -> bool {
        let n = (self.0.len() as f64).sqrt();
        let (least, most) = self.0.iter().fold((0.0f64, 0.0f64), |(least, most), &x| (least.min(x), most.max(x)));
        (-bound..=-bound * 0.999).contains(&least)
            && (bound * 0.999..=bound).contains(&most)
            && self.moment(1).abs() < 5.0 * bound / 3f64.sqrt() / n
            && (self.moment(2) / (bound * bound / 3.0) - 1.0).abs() < 5.0 * 0.9 / n
            && (self.moment(4) / (bound.powi(4) / 5.0) - 1.0).abs() < 5.0 * 1.4 / n
    }

    /// Normal: variance deviation², fourth moment 3·deviation⁴.
    fn is_normal(&self, deviation: f64) -> bool {
        let n = (self.0.len() as f64).sqrt();
        self.moment(1).abs() < 5.0 * deviation / n
            && (self.moment(2) / deviation.powi(2) - 1.0).abs() < 5.0 * 1.5 / n
            && (self.moment(4) / (3.0 * deviation.powi(4)) - 1.0).abs() < 5.0 * 3.3 / n
    }
}

fn drawn(init: impl FnOnce(&Shape, RngKey) -> Vec<f64>, shape: &[usize]) -> Sample {
    Sample(init(&Shape::new(shape).expect("few axes"), RngKey::seed(1)))
}

#[test]
fn each_initialiser_has_its_distribution() {
    let (matrix, kernel): (&[usize], &[usize]) = (&[200, 500], &[40, 50, 5, 10]);
    assert!(drawn(init::uniform(0.7), matrix).is_uniform(0.7));
    assert!(drawn(init::normal(0.3), matrix).is_normal(0.3));
    // Fan-in and fan-out: 500 and 200 of the matrix; 50·5·10 = 2500 and 40·5·10 = 2000 of the kernel.
    assert!(drawn(init::xavier_uniform(), matrix).is_uniform((6.0f64 / 700.0).sqrt()));
    assert!(drawn(init::xavier_uniform(), kernel).is_uniform((6.0f64 / 4500.0).sqrt()));
    assert!(drawn(init::xavier_normal(), matrix).is_normal((2.0f64 / 700.0).sqrt()));
    assert!(drawn(init::xavier_normal(), kernel).is_normal((2.0f64 / 4500.0).sqrt()));
    assert!(drawn(init::kaiming_uniform(), matrix).is_uniform((6.0f64 / 500.0).sqrt()));
    assert!(drawn(init::kaiming_uniform(), kernel).is_uniform((6.0f64 / 2500.0).sqrt()));
    assert!(drawn(init::kaiming_normal(), matrix).is_normal((2.0f64 / 500.0).sqrt()));
    assert!(drawn(init::kaiming_normal(), kernel).is_normal((2.0f64 / 2500.0).sqrt()));
    // The test can tell: a bound 3% off, fan-out for fan-in, one distribution for the other.
    assert!(!drawn(init::uniform(0.72), matrix).is_uniform(0.7));
    assert!(!drawn(init::normal(0.31), matrix).is_normal(0.3));
    assert!(!drawn(init::kaiming_normal(), matrix).is_normal((2.0f64 / 200.0).sqrt()));
    assert!(!drawn(init::uniform(0.3 * 3f64.sqrt()), matrix).is_normal(0.3));
    assert!(!drawn(init::normal(0.7 / 3f64.sqrt()), matrix).is_uniform(0.7));
}

#[test]
fn constants_and_the_identity_are_what_they_say() {
    assert_eq!(drawn(init::zeros(), &[2, 3]).0, [0.0; 6]);
    assert_eq!(drawn(init::constant(1.5), &[2, 3]).0, [1.5; 6]);
    assert_eq!(drawn(init::identity(), &[3, 3]).0, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(drawn(init::identity(), &[2, 3]).0, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
}

/// Wᵀ W or W Wᵀ is gain²·1, whichever is smaller; a stack of square blocks block by block. And it is drawn evenly: each
/// element's square is 1 / n in the mean.
#[test]
fn orthogonal_values_are_orthonormal_and_evenly_drawn() {
    for (rows, columns, block) in [(5, 5, 5), (3, 7, 3), (7, 3, 7), (12, 4, 4)] {
        let gain = 1.5;
        let w = drawn(init::orthogonal(gain), &[rows, columns]).0;
        for b in 0..rows / block {
            let at = |i: usize, j: usize| w[(b * block + i) * columns + j];
            for i in 0..block.min(columns) {
                for j in 0..block.min(columns) {
                    let dot: f64 = if block <= columns {
                        (0..columns).map(|k| at(i, k) * at(j, k)).sum()
                    } else {
                        (0..block).map(|k| at(k, i) * at(k, j)).sum()
                    };
                    assert!((dot - gain * gain * f64::from(i == j)).abs() < 1e-12, "{rows}×{columns}: {i}, {j}");
                }
            }
        }
    }
    let n = 4;
    let mut squares = vec![0.0; n * n];
    for seed in 0..4000 {
        let w = init::orthogonal(1.0)(&Shape::from([n, n]), RngKey::seed(seed));
        squares.iter_mut().zip(w).for_each(|(sum, x)| *sum += x * x / 4000.0);
    }
    assert!(squares.iter().all(|mean| (mean - 0.25).abs() < 0.02), "{squares:?}");
}

/// PyTorch's bounds: ±1/√hidden, ±1/√in, Xavier for heads; tables normal, norms 1 and 0.
#[test]
fn layers_begin_as_those_of_pytorch() {
    let mut params = Params::seeded(1);
    Lstm::new(params.scope("lstm"), 90, 100);
    Gru::new(params.scope("gru"), 110, 100);
    Linear::new(params.scope("linear"), 400, 200);
    Conv2d::new(params.scope("conv"), 20, 100, [5, 4]);
    MultiheadAttention::new(params.scope("heads"), 200, 4);
    Embedding::new(params.scope("table"), 500, 100);
    LayerNorm::new(params.scope("norm"), 3);
    let sample = |name: &str| {
        let value = params.value(params.find(name).expect(name)).expect("own");
        Sample(value.to_f64().into_iter().collect())
    };
    for name in ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "gru.weight_ih_l0", "gru.weight_hh_l0"] {
        assert!(sample(name).is_uniform(0.1), "{name}");
    }
    assert!(sample("linear.weight").is_uniform(0.05));
    assert!(sample("conv.weight").is_uniform(0.05));
    assert!(sample("heads.in_proj_weight").is_uniform((6.0f64 / 800.0).sqrt()));
    assert!(sample("heads.out_proj.weight").is_uniform(1.0 / 200f64.sqrt()));
    assert!(sample("table.weight").is_normal(1.0));
    // Few numbers: inside their bound.
    for (name, bound) in [("lstm.bias_ih_l0", 0.1), ("gru.bias_hh_l0", 0.1), ("linear.bias", 0.05), ("conv.bias", 0.05)]
    {
        let bias = sample(name).0;
        assert!(bias.iter().all(|x| x.abs() <= bound) && bias.iter().any(|x| x.abs() > 0.9 * bound), "{name}");
    }
    assert!(sample("heads.in_proj_bias").0.iter().chain(&sample("heads.out_proj.bias").0).all(|&x| x == 0.0));
    assert_eq!((sample("norm.weight").0, sample("norm.bias").0), (vec![1.0; 3], vec![0.0; 3]));
}

#[test]
fn a_chosen_bias_of_the_forget_gate_stands_in_the_input_bias_alone() {
    let mut params = Params::seeded(0);
    Lstm::with_config(params.scope("lstm"), 3, 2, LstmConfig { forget_bias: Some(1.5), ..LstmConfig::default() });
    let value = |name: &str| {
        let param = params.iter().find(|&param| params.name(param) == name).expect("a bias");
        params.value(param).expect("own").to_f64().into_raw_vec_and_offset().0
    };
    let (input, hidden) = (value("lstm.bias_ih_l0"), value("lstm.bias_hh_l0"));
    assert_eq!((&input[2..4], &hidden[2..4]), (&[1.5; 2][..], &[0.0; 2][..]));
    // The other gates begin as they do without it.
    let bound = 1.0 / 2f64.sqrt();
    for others in [&input[..2], &input[4..], &hidden[..2], &hidden[4..]] {
        assert!(others.iter().all(|&x| x != 0.0 && x.abs() <= bound), "{others:?}");
    }
}
