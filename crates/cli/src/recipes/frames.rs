//! Many-to-many, aligned over frames: who is there at each frame of a film in which digits come, hide and go.
//!
//! A frame in which a digit hides looks like one in which nobody is there: who judges each frame by itself cannot tell
//! them apart.

use super::*;
use crate::{
    films::{self, MemoryOptions, NOBODY, SCENE, Scene, name, scene},
    pictures::{self, Digit, NAMES},
};

pub(crate) struct Frames(VideoClassifier);

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    memory: MemoryOptions,
    #[command(flatten)]
    reader: ReaderOptions,
    /// Synthetic films per training epoch [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "2000", value_parser = count(1..=1_000_000))]
    films: usize,
}

impl Task for Frames {
    const SPEC: Spec = Spec::new(
        "frames",
        "Name the digits present in each frame of a film, seen or hidden (many-to-many over frames)",
        Metric::ACCURACY,
    )
    .training(8, 3e-3, 8)
    .unit("frames")
    .data(pictures::DATA_HELP, &[crate::data::DIGITS])
    .compare(&[("memoryless", &[("memory", "false")])])
    .defaults(&[("hidden-size", "64")])
    .pictures(&["film"]);

    type Options = Options;
    type Saved = SavedModel<VideoClassifierConfig>;
    type Source = Drawn<Vec<Digit>>;
    type Example = Scene;
    /// Films, and who is there at each frame, film by film.
    type Batch = (Array4<f32>, Vec<u32>);
    /// Who is there at each frame, and how likely.
    type Answer = Vec<(u32, f64)>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Self::Source>> {
        pictures::parts(data, options.films, SCENE)
    }

    fn learn(Options { memory, reader, .. }: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        Ok(Learned::model(films::model(memory.memory.then_some(reader.recurrent.cell), reader, NAMES.len() + 1)))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Frames> {
        films::check(&model, NAMES.len() + 1)?;
        Ok(Frames(VideoClassifier::new(params, &model)))
    }

    fn read_to_score(&self, data: &Data) -> Result<Self::Source> {
        pictures::drawn_to_score(data, SCENE)
    }

    fn example(&self, digits: &Vec<Digit>, draw: &Draw) -> Result<Scene> {
        Ok(scene(digits, &mut draw.rng()))
    }

    /// A line is a film of whole frames; the answer has a name for each, `-` for nobody.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Scene> {
        Ok(Scene::unlabelled(films::read(line)?))
    }

    fn lengths(&self, scene: &Scene) -> (usize, usize) {
        (0, scene.present.len())
    }

    fn batch(&self, scenes: &[&Scene]) -> Result<(Array4<f32>, Vec<u32>)> {
        let films = films::batch(scenes.iter().map(|scene| &scene.film))?;
        Ok((films, scenes.iter().flat_map(|scene| &scene.present).copied().collect()))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (films, present): &(Array4<f32>, Vec<u32>)) -> Var<'g> {
        self.0.loss(&Sequence::full(graph.input(films)), present)
    }

    fn answers(&self, params: &Params, (films, _): &Self::Batch, _search: Search) -> Result<Vec<Vec<(u32, f64)>>> {
        let graph = Graph::inference(params);
        let logits = self.0.logits(&Sequence::full(graph.input(films)));
        Ok(logits.layout().unpack(&logits.rows().softmax().top_k(1)?.concat()))
    }

    /// The share of all frames, and of those in which a digit hides.
    fn score(&self, scenes: &[Scene], answers: &[Vec<(u32, f64)>]) -> Result<Score> {
        let right: Vec<u32> = scenes.iter().flat_map(|scene| &scene.present).copied().collect();
        let found: Vec<u32> = answers.iter().flatten().map(|(present, _)| *present).collect();
        let names: Vec<String> = (0..=NOBODY).map(name).collect();
        let score = Score::classes(found.iter().copied(), &right, &names)?;
        let hidden = scenes.iter().flat_map(|scene| &scene.hidden);
        let (found, right): (Vec<u32>, Vec<u32>) =
            found.into_iter().zip(right).zip(hidden).filter(|(_, hidden)| **hidden).map(|(pair, _)| pair).unzip();
        Ok(if right.is_empty() { score } else { score.with([("hidden", accuracy(&found, &right)?)]) })
    }

    fn show(&self, Scene { film, present, .. }: &Scene, found: &Vec<(u32, f64)>, _digits: Digits) -> Shown {
        let names = |present: Vec<u32>| present.into_iter().map(name).collect::<Vec<_>>().join(" ");
        let given = vec![("film", films::in_lines(film, 4)), ("present", names(present.clone()))];
        let likely = found.iter().map(|(_, p)| p).product();
        Shown::best(given, vec![(names(found.iter().map(|(present, _)| *present).collect()), likely)])
    }
}
