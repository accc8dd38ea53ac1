//! Short noisy films of handwritten digits: one that moves, and scenes in which digits come, hide and go.

use crate::pictures::{Digit, INK, Picture, SIDE, art, darkness, overlay, parse};
use clap::{ArgAction, Args};
use ndarray::{Array3, Array4, Axis};
use serde::{Deserialize, Serialize};
use unspool::{
    models::{ConvEncoderConfig, VideoClassifierConfig},
    nn::CellKind,
};
use unspool_task::{Error, ReaderOptions, Result, Rng};

/// Rows and columns of the screen.
pub(crate) const HEIGHT: usize = 12;
pub(crate) const WIDTH: usize = 16;

/// Deviation of the noise on each pixel, in gray levels.
const NOISE: f64 = 2.5;

/// Gray levels `[time, height, width]`, from 0 to [`INK`].
pub(crate) type Film = Array3<u8>;

fn add_noise(film: &mut Film, dice: &mut Rng) {
    film.mapv_inplace(|level| (f64::from(level) + NOISE * dice.normal()).round().clamp(0.0, f64::from(INK)) as u8);
}

/// Films as numbers from 0 to 1, `[batch, time, height, width]`.
pub(crate) fn batch<'a>(films: impl ExactSizeIterator<Item = &'a Film> + Clone) -> Result<Array4<f32>> {
    let time = films.clone().next().map_or(0, |film| film.dim().0);
    if films.clone().any(|film| film.dim().0 != time) {
        return Err(Error::failure("films of unequal lengths make no batch", ""));
    }
    let mut batch = Array4::zeros((films.len(), time, HEIGHT, WIDTH));
    batch.axis_iter_mut(Axis(0)).zip(films).for_each(|(mut place, film)| place.assign(&film.mapv(darkness)));
    Ok(batch)
}

/// Some frames of a film side by side, as one picture.
pub(crate) fn strip(film: &Film) -> Picture {
    let (time, height, width) = film.dim();
    let stride = width + 1;
    Picture::from_shape_fn((height, (time * stride).saturating_sub(1)), |(row, column)| match column % stride {
        edge if edge == width => INK,
        inside => film[[column / stride, row, inside]],
    })
}

/// A film as so many lines of text, each some of its frames side by side.
pub(crate) fn in_lines(film: &Film, lines: usize) -> String {
    let time = film.dim().0;
    let frames: Vec<usize> = (0..time).collect();
    let line = |frames: &[usize]| art(&strip(&film.select(Axis(0), frames)));
    frames.chunks(time.div_ceil(lines).max(1)).map(line).collect::<Vec<_>>().join("\n")
}

/// A film from a line of gray levels, frame by frame and row by row, with commas between.
pub(crate) fn read(line: &str) -> Result<Film> {
    let levels: Vec<&str> = line.split(',').collect();
    let frames = levels.len() / (HEIGHT * WIDTH);
    let picture = parse(&levels, frames * HEIGHT)?;
    picture.into_shape_with_order((frames, HEIGHT, WIDTH)).map_err(|_| {
        let frame = format!("a frame is {HEIGHT} rows of {WIDTH} pixels");
        Error::failure(format!("{} pixels make no whole frames", levels.len()), frame)
    })
}

/// What looks at a frame.
fn eye() -> ConvEncoderConfig {
    ConvEncoderConfig { height: HEIGHT, width: WIDTH, channels: 16, features: 128, dropout: 0.1 }
}

/// Whether frames are judged together.
#[derive(Clone, Args)]
pub(crate) struct MemoryOptions {
    /// Use a recurrence over the frames; without it each frame is judged by itself
    #[arg(long, value_name = "true|false", default_value = "true", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) memory: bool,
}

/// A model of films; with no cell, each frame is judged by itself.
pub(crate) fn model(cell: Option<CellKind>, reader: &ReaderOptions, outputs: usize) -> VideoClassifierConfig {
    VideoClassifierConfig {
        eye: eye(),
        cell,
        layers: reader.recurrent.layers,
        hidden_size: reader.recurrent.hidden_size,
        bidirectional: reader.bidirectional,
        outputs,
    }
}

/// Checks that a model of films looks at this screen, and has so many outputs.
pub(crate) fn check(model: &VideoClassifierConfig, outputs: usize) -> Result<()> {
    model.check()?;
    if (&model.eye, model.outputs) != (&eye(), outputs) {
        let hint = "the run folder must hold the files of one training, unchanged";
        return Err(Error::failure("the model looks at another screen, or has other outputs", hint));
    }
    Ok(())
}

/// Where a digit moves: the name, and rows and columns a frame.
pub(crate) const DIRECTIONS: [(&str, isize, isize); 4] =
    [("left", 0, -1), ("right", 0, 1), ("up", -1, 0), ("down", 1, 0)];

/// Frames of a clip.
pub(crate) const CLIP: usize = 5;

/// A digit that moves a pixel a frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct Clip {
    /// What is seen.
    pub(crate) film: Film,
    /// The digit.
    pub(crate) digit: u32,
    /// Its place in [`DIRECTIONS`].
    pub(crate) direction: u32,
}

/// Any digit, any direction, from any place from which it stays on the screen.
pub(crate) fn clip(digits: &[Digit], dice: &mut Rng) -> Clip {
    let digit = dice.choose(digits);
    let direction = dice.between(0, DIRECTIONS.len() as isize - 1);
    let (_, down, right) = DIRECTIONS[direction as usize];
    let way = CLIP as isize - 1;
    let mut start = |size: usize, step: isize| {
        let room = (size - SIDE) as isize;
        dice.between((-step * way).max(0), room - (step * way).max(0))
    };
    let (row, column) = (start(HEIGHT, down), start(WIDTH, right));
    let mut film = Film::zeros((CLIP, HEIGHT, WIDTH));
    for (t, mut frame) in (0..).zip(film.axis_iter_mut(Axis(0))) {
        overlay(&mut frame, &digit.picture, row + t * down, column + t * right);
    }
    add_noise(&mut film, dice);
    Clip { film, digit: digit.value, direction: direction as u32 }
}

/// Frames of a scene.
pub(crate) const SCENE: usize = 20;

/// The label of a frame in which no digit is there.
pub(crate) const NOBODY: u32 = 10;

/// Digits that come in from a side, rest, hide for some frames, show themselves again, and go out at a side.
#[derive(Serialize, Deserialize)]
pub(crate) struct Scene {
    /// What is seen.
    pub(crate) film: Film,
    /// Who is there at each frame, seen or hidden: a digit, or [`NOBODY`].
    pub(crate) present: Vec<u32>,
    /// Whether it is hidden.
    pub(crate) hidden: Vec<bool>,
}

impl Scene {
    /// A film of which nothing is known.
    pub(crate) fn unlabelled(film: Film) -> Scene {
        Scene { present: vec![NOBODY; film.dim().0], hidden: vec![false; film.dim().0], film }
    }
}

/// The name of who is there at a frame.
pub(crate) fn name(present: u32) -> String {
    if present == NOBODY { "-".to_owned() } else { present.to_string() }
}

/// Visits with empty frames between them, until the film is full.
pub(crate) fn scene(digits: &[Digit], dice: &mut Rng) -> Scene {
    let mut scene =
        Scene { film: Film::zeros((SCENE, HEIGHT, WIDTH)), present: vec![NOBODY; SCENE], hidden: vec![false; SCENE] };
    let mut now = dice.between(0, 3) as usize;
    while now < SCENE {
        let (digit, row) = (dice.choose(digits), dice.between(1, (HEIGHT - SIDE) as isize - 1));
        for (column, t) in visit(dice).into_iter().zip(now..) {
            now = t + 1;
            if now > SCENE {
                break;
            }
            scene.hidden[t] = column.is_none();
            // A digit of which less than half is on the screen is not there yet, or no longer.
            let half = SIDE as isize / 2;
            if column.is_none_or(|column| (-half..=WIDTH as isize - half).contains(&column)) {
                scene.present[t] = digit.value;
            }
            if let Some(column) = column {
                overlay(&mut scene.film.index_axis_mut(Axis(0), t), &digit.picture, row, column);
            }
        }
        now += dice.between(1, 4) as usize;
    }
    add_noise(&mut scene.film, dice);
    scene
}

/// The column of a digit at each frame of its visit, none where it hides: in, rest, three times of four hide and rest
/// again, out.
fn visit(dice: &mut Rng) -> Vec<Option<isize>> {
    let rest = dice.between(2, (WIDTH - SIDE) as isize - 2);
    let mut frames = way_in(rest, dice);
    let stay = |column, dice: &mut Rng, least, most| vec![column; dice.between(least, most) as usize];
    frames.extend(stay(Some(rest), dice, 1, 2));
    if dice.between(1, 4) > 1 {
        frames.extend(stay(None, dice, 2, 5));
        frames.extend(stay(Some(rest), dice, 1, 2));
    }
    frames.extend(way_in(rest, dice).into_iter().rev());
    frames
}

/// The columns from beyond either side to the resting place.
fn way_in(rest: isize, dice: &mut Rng) -> Vec<Option<isize>> {
    let step = dice.between(2, 4) * dice.choose(&[-1, 1]);
    let on_screen = |column: &isize| (1 - SIDE as isize..WIDTH as isize).contains(column);
    let mut columns: Vec<_> = (1..).map(|k| rest - k * step).take_while(on_screen).map(Some).collect();
    columns.reverse();
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::graph::RngKey;

    /// Two digits, of ink all over: what is on the screen is seen through the noise.
    fn digits() -> [Digit; 2] {
        [3, 7].map(|value| Digit { picture: Picture::from_elem((SIDE, SIDE), INK), value })
    }

    /// How much of a frame is dark.
    fn dark(film: &Film, t: usize) -> usize {
        film.index_axis(Axis(0), t).iter().filter(|level| **level > INK / 2).count()
    }

    fn centre(film: &Film, t: usize) -> (f64, f64) {
        let frame = film.index_axis(Axis(0), t);
        let sum = |weigh: fn(usize, usize) -> f64| -> f64 {
            frame.indexed_iter().filter(|(_, level)| **level > INK / 2).map(|((i, j), _)| weigh(i, j)).sum()
        };
        let all = sum(|_, _| 1.0);
        (sum(|i, _| i as f64) / all, sum(|_, j| j as f64) / all)
    }

    #[test]
    fn a_clip_moves_where_its_label_says_and_stays_on_the_screen() {
        let mut seen = [0; 4];
        for seed in 0..60 {
            let clip = clip(&digits(), &mut Rng::new(RngKey::seed(seed)));
            assert!((0..CLIP).all(|t| dark(&clip.film, t) > SIDE * SIDE - 12), "{seed}");
            let (from, to) = (centre(&clip.film, 0), centre(&clip.film, CLIP - 1));
            let (_, down, right) = DIRECTIONS[clip.direction as usize];
            let way = CLIP as f64 - 1.0;
            assert!(
                (to.0 - from.0 - way * down as f64).abs() < 0.8 && (to.1 - from.1 - way * right as f64).abs() < 0.8
            );
            seen[clip.direction as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    }

    #[test]
    fn a_scene_labels_who_is_there_and_hides_it_in_empty_frames() {
        let (mut hidden, mut nobody) = (0, 0);
        for seed in 0..60 {
            let scene = scene(&digits(), &mut Rng::new(RngKey::seed(seed)));
            for t in 0..SCENE {
                match (scene.present[t], scene.hidden[t]) {
                    (NOBODY, true) => panic!("hidden, and not there: film {seed}, frame {t}"),
                    (NOBODY, false) => assert!(dark(&scene.film, t) < SIDE * SIDE / 2 + 12),
                    (_, true) => assert!(dark(&scene.film, t) < 12),
                    (digit, false) => assert!([3, 7].contains(&digit) && dark(&scene.film, t) > SIDE * SIDE / 2 - 12),
                }
                // A digit hides between two frames in which it is there; the film's end may cut that off.
                if t > 0 && scene.hidden[t] {
                    assert_eq!(scene.present[t], scene.present[t - 1]);
                }
            }
            hidden += scene.hidden.iter().filter(|hidden| **hidden).count();
            nobody += scene.present.iter().filter(|present| **present == NOBODY).count();
        }
        let share = |count: usize| count as f64 / (60 * SCENE) as f64;
        assert!((0.1..0.25).contains(&share(hidden)) && (0.2..0.5).contains(&share(nobody)));
    }

    #[test]
    fn a_film_is_read_from_whole_frames() {
        let frame = vec!["1"; HEIGHT * WIDTH].join(",");
        assert_eq!(read(&format!("{frame},{frame}")).unwrap().dim(), (2, HEIGHT, WIDTH));
        for bad in ["", "1", &format!("{frame},1"), &frame.replacen('1', "17", 1)] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(strip(&Film::zeros((2, HEIGHT, WIDTH))).dim(), (HEIGHT, 2 * WIDTH + 1));
    }
}
