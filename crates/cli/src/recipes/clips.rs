//! Many-to-one over frames: which digit moves, and which way, in a short noisy film.

use super::*;
use crate::{
    films::{self, CLIP, Clip, DIRECTIONS, clip},
    pictures::{self, Digit, NAMES, art},
};

pub(crate) struct Clips(VideoClassifier);

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reader: ReaderOptions,
    /// Synthetic films per training epoch [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "6000", value_parser = count(1..=1_000_000))]
    films: usize,
}

impl Clips {
    /// Logits `[batch, digits]` and `[batch, directions]`: those of a film are the first and the last.
    fn logits<'g>(&self, graph: &'g Graph<'g>, films: &Array4<f32>) -> [Var<'g>; 2] {
        let logits = self.0.film_logits(&Sequence::full(graph.input(films)));
        [logits.slice(1, 0..NAMES.len()), logits.slice(1, NAMES.len()..NAMES.len() + DIRECTIONS.len())]
    }
}

fn answer((digit, direction): (u32, u32)) -> String {
    format!("{digit} {}", DIRECTIONS[direction as usize % DIRECTIONS.len()].0)
}

impl Task for Clips {
    const SPEC: Spec = Spec::new(
        "clips",
        "Classify the moving digit and its direction in a film (many-to-one over frames)",
        Metric::ACCURACY,
    )
    .training(24, 3e-3, 32)
    .average(0.998)
    .unit("frames")
    .data(pictures::DATA_HELP, &[crate::data::DIGITS])
    .defaults(&[("hidden-size", "64"), ("bidirectional", "false")])
    .pictures(&["film"]);

    type Options = Options;
    type Saved = SavedModel<VideoClassifierConfig>;
    type Source = Drawn<Vec<Digit>>;
    type Example = Clip;
    /// Films and what happens in each: which digit moves, and which way.
    type Batch = (Array4<f32>, Vec<(u32, u32)>);
    /// Pairs of digit and direction with their probabilities, best first.
    type Answer = Vec<((u32, u32), f64)>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Self::Source>> {
        pictures::parts(data, options.films, CLIP)
    }

    fn learn(Options { reader, .. }: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        Ok(Learned::model(films::model(Some(reader.recurrent.cell), reader, NAMES.len() + DIRECTIONS.len())))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Clips> {
        films::check(&model, NAMES.len() + DIRECTIONS.len())?;
        Ok(Clips(VideoClassifier::new(params, &model)))
    }

    fn read_to_score(&self, data: &Data) -> Result<Self::Source> {
        pictures::drawn_to_score(data, CLIP)
    }

    fn example(&self, digits: &Vec<Digit>, draw: &Draw) -> Result<Clip> {
        Ok(clip(digits, &mut draw.rng()))
    }

    /// A line is a film of whole frames.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Clip> {
        Ok(Clip { film: films::read(line)?, digit: 0, direction: 0 })
    }

    fn lengths(&self, clip: &Clip) -> (usize, usize) {
        (0, clip.film.dim().0)
    }

    fn batch(&self, clips: &[&Clip]) -> Result<Self::Batch> {
        let moves = clips.iter().map(|clip| (clip.digit, clip.direction)).collect();
        Ok((films::batch(clips.iter().map(|clip| &clip.film))?, moves))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (films, moves): &Self::Batch) -> Var<'g> {
        let [digits, directions] = self.logits(graph, films);
        let (right_digits, right_directions): (Vec<u32>, Vec<u32>) = moves.iter().copied().unzip();
        (digits.cross_entropy(&right_digits) + directions.cross_entropy(&right_directions)).sum_all()
    }

    fn answers(&self, params: &Params, (films, _): &Self::Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let graph = Graph::inference(params);
        let [digits, directions] = self.logits(&graph, films);
        let digits = digits.softmax().top_k(NAMES.len())?;
        let directions = directions.softmax().top_k(DIRECTIONS.len())?;
        let pairs = |digits: Vec<(u32, f64)>, directions: Vec<(u32, f64)>| {
            let pair = |(digit, p): &(u32, f64)| directions.iter().map(|(way, q)| ((*digit, *way), p * q)).collect();
            let mut best: Self::Answer = digits.iter().flat_map::<Self::Answer, _>(pair).collect();
            best.sort_by(|a, b| b.1.total_cmp(&a.1));
            best.truncate(search.count());
            best
        };
        Ok(digits.into_iter().zip(directions).map(|(digits, directions)| pairs(digits, directions)).collect())
    }

    /// Both the digit and its way must be right.
    fn score(&self, clips: &[Clip], answers: &[Self::Answer]) -> Result<Score> {
        let found: Vec<(u32, u32)> = answers.iter().map(|best| best[0].0).collect();
        let (digits, ways): (Vec<u32>, Vec<u32>) = clips.iter().map(|clip| (clip.digit, clip.direction)).unzip();
        let right: Vec<(u32, u32)> = digits.iter().copied().zip(ways.iter().copied()).collect();
        let of_digits = Score::classes(found.iter().map(|pair| pair.0), &digits, &NAMES.map(str::to_owned))?;
        let direction = accuracy(&found.iter().map(|pair| pair.1).collect::<Vec<_>>(), &ways)?;
        let more = [("digit", of_digits.value), ("direction", direction)];
        Ok(Score { value: accuracy(&found, &right)?, ..of_digits }.with(more))
    }

    fn show(&self, clip: &Clip, found: &Self::Answer, _digits: Digits) -> Shown {
        let moves = answer((clip.digit, clip.direction));
        let given = vec![("film", art(&films::strip(&clip.film))), ("moves", moves)];
        Shown::probable(given, found.iter().map(|(pair, p)| (answer(*pair), *p)).collect())
    }
}
