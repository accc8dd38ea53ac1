//! The models that look at pictures and films: gradients, and what each may depend on.

use ndarray::{Array2, Array4, Axis};
use unspool::{
    graph::{Graph, Params, RngKey, Tensor, check},
    models::{
        Captioner, CaptionerConfig, ConvEncoder, ConvEncoderConfig, ImageClassifier, ImageClassifierConfig, Perceptron,
        PerceptronConfig, SignalClassifier, SignalClassifierConfig, VideoClassifier, VideoClassifierConfig,
    },
    nn::{CellKind, Sequence},
    text::{DecoderInput, Specials, TeacherForcing},
};

/// The cells whose gates are fused operations.
const BUILT_IN: [CellKind; 4] = [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru];

/// The smallest there is: each ReLU and each maximum is a kink that may lie within a step of the differences.
const EYE: ConvEncoderConfig = ConvEncoderConfig { height: 4, width: 5, channels: 2, features: 4, dropout: 0.0 };

fn films(batch: usize, time: usize) -> Array4<f64> {
    let mut i = 0;
    Array4::from_shape_simple_fn((batch, time, EYE.height, EYE.width), || {
        i += 1;
        RngKey::seed(3).normal(i)
    })
}

fn reader(cell: Option<CellKind>, bidirectional: bool) -> (Params, VideoClassifier) {
    let mut params = Params::seeded(5);
    let config = VideoClassifierConfig { eye: EYE, cell, layers: 2, hidden_size: 4, bidirectional, outputs: 3 };
    let model = VideoClassifier::new(&mut params, &config);
    (params, model)
}

#[test]
fn gradients_are_right() {
    let films = films(2, 2);
    let kinds = BUILT_IN.into_iter().map(|kind| (Some(kind), true));
    for (cell, bidirectional) in kinds.chain([(None, false)]) {
        let (params, model) = reader(cell, bidirectional);
        let judged = check::composition(&params, &[], |graph, _| {
            let films = graph.input(&films);
            let films = Sequence::pack(films, &[2, 1]);
            model.logits(&films).rows().powi(2).sum_all() + model.film_logits(&films).powi(2).sum_all()
        })
        .unwrap();
        assert!(judged.right > 50 && judged.unjudged * 10 < judged.right, "{cell:?}: {judged}");
    }
    let mut params = Params::seeded(5);
    let model = ImageClassifier::new(&mut params, &ImageClassifierConfig { eye: EYE, classes: 3 });
    let pictures = films.index_axis(Axis(0), 0);
    let judged = check::composition(&params, &[], |graph, _| model.loss(graph.input(pictures), &[2, 0])).unwrap();
    assert!(judged.right > 50 && judged.unjudged * 10 < judged.right, "{judged}");
    let signals = Array2::from_shape_fn((2, 9), |(row, t)| RngKey::seed(4).normal((9 * row + t) as u64));
    for cell in BUILT_IN {
        let (channels, layers, hidden_size, bidirectional) = (2, 1, 3, true);
        let mut params = Params::seeded(5);
        let config =
            SignalClassifierConfig { channels, cell, layers, hidden_size, bidirectional, classes: 3, dropout: 0.0 };
        let model = SignalClassifier::new(&mut params, &config);
        let judged =
            check::composition(&params, &[], |graph, _| model.loss(graph, graph.input(&signals), &[1, 2])).unwrap();
        assert!(judged.right > 50 && judged.unjudged * 10 < judged.right, "{cell:?}: {judged}");
    }
    let mut params = Params::seeded(2);
    let config = PerceptronConfig { input_size: 6, hidden_size: 5, layers: 2, classes: 3, dropout: 0.0 };
    let model = Perceptron::new(&mut params, &config);
    let x = Array2::from_shape_fn((4, 6), |(i, j)| RngKey::seed(1).normal((6 * i + j) as u64));
    check::parameters(&params, |graph| model.logits(graph.input(&x)).powi(2).sum_all()).unwrap();
}

/// The picture reaches the writer whatever its state is made of: as the state's vector, or as its first input.
#[test]
fn a_caption_depends_on_the_picture_with_every_cell() {
    let captions = TeacherForcing::new(&[vec![5, 6, 7], vec![8]], Specials::FIXED);
    let pictures = films(1, 2).index_axis_move(Axis(0), 0);
    for cell in CellKind::ALL {
        let config = CaptionerConfig {
            eye: EYE,
            cell,
            layers: 2,
            hidden_size: 4,
            embedding_size: 3,
            vocabulary_size: 10,
            feed: DecoderInput::Back,
            specials: Specials::FIXED,
        };
        let mut params = Params::seeded(3);
        let model = Captioner::new(&mut params, &config);
        let params = params.to_f64();
        let graph = Graph::new(&params);
        let pictures = graph.input(&pictures).watch();
        let gradients = model.loss(pictures, &captions).backward().unwrap();
        let gradient = gradients.of(pictures).unwrap().to_f64();
        assert!(gradient.outer_iter().all(|picture| picture.iter().any(|&g| g != 0.0)), "{cell}");
        let map = params.shape(params.find("start.weight").unwrap());
        let vector = !matches!(cell, CellKind::GatedDeltaNet | CellKind::LinearAttention | CellKind::Lru)
            && !matches!(cell, CellKind::Mlstm | CellKind::S5);
        assert_eq!(map[0], if vector { 4 } else { 3 }, "{cell}");
        assert_eq!(
            model.decode(&params, &films(1, 2).index_axis_move(Axis(0), 0).mapv(|x| x as f32), 4, None).unwrap().len(),
            2
        );
    }
}

/// Logits of each frame of one film, after the pixels of frame `changed` were turned round.
fn frames(params: &Params, model: &VideoClassifier, changed: Option<usize>) -> Vec<Tensor> {
    let mut film = films(1, 4).mapv(|x| x as f32);
    if let Some(t) = changed {
        film.index_axis_mut(Axis(1), t).mapv_inplace(|x| -x);
    }
    let graph = Graph::new(params);
    let logits = model.logits(&Sequence::full(graph.input(film))).padded();
    (0..4).map(|t| logits.index(1, t).value().unwrap()).collect()
}

#[test]
fn a_frame_depends_on_what_the_model_has_seen_of_the_film_and_on_nothing_else() {
    for (cell, bidirectional, reached) in [
        (None, false, [false, true, false, false]),
        (Some(CellKind::Gru), false, [false, true, true, true]),
        (Some(CellKind::Gru), true, [true; 4]),
    ] {
        let (params, model) = reader(cell, bidirectional);
        let (before, after) = (frames(&params, &model, None), frames(&params, &model, Some(1)));
        let differs: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a != b).collect();
        assert_eq!(differs, reached, "{cell:?}, both directions: {bidirectional}");
    }
}

#[test]
fn an_eye_looks_at_each_picture_by_itself() {
    let mut params = Params::seeded(5);
    let eye = ConvEncoder::new(params.scope("eye"), &EYE);
    let (graph, films) = (Graph::new(&params), films(2, 3));
    let all = eye.look(graph.input(&films)).to_f64().unwrap();
    let one = eye.look(graph.input(films.index_axis(Axis(0), 1))).to_f64().unwrap();
    let difference = (&all.index_axis(Axis(0), 1) - &one).mapv(f64::abs).iter().fold(0.0, |a: f64, b| a.max(*b));
    assert!(difference < 1e-6 && one.iter().any(|x| *x > 0.0), "{difference}");
}
