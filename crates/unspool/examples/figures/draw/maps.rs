//! The figure of chapter 12 that shows what a translator looks at.

use super::{Figure, Result, curves::rows, sketch::Sketch};

pub(crate) const FIGURES: &[Figure] = &[Figure { name: "translations", draw: translations }];

/// A map of weights: what was read above it, and what was written at its left.
struct Map {
    read: Vec<String>,
    wrote: Vec<(String, Vec<f64>)>,
}

const SIZE: i32 = 24;
const LEFT: i32 = 96;
const TOP: i32 = 100;

impl Map {
    fn width(&self) -> i32 {
        LEFT + SIZE * self.read.len() as i32 + 24
    }

    fn height(&self) -> i32 {
        TOP + SIZE * self.wrote.len() as i32 + 16
    }

    fn draw(&self, sketch: &mut Sketch, (x, y): (i32, i32)) {
        let (left, top) = (x + LEFT, y + TOP);
        for (k, piece) in (0..).zip(&self.read) {
            sketch.upright((left + SIZE * k + SIZE / 2 + 5, top - 6), piece, 13);
        }
        for (r, (piece, weights)) in (0..).zip(&self.wrote) {
            sketch.text((left - 46, top + SIZE * r + 17), piece, 13);
            for (k, &weight) in (0..).zip(weights) {
                sketch.ink((left + SIZE * k, top + SIZE * r), SIZE - 1, weight);
            }
        }
        sketch.frame((left, top), (SIZE * self.read.len() as i32, SIZE * self.wrote.len() as i32));
    }
}

/// The map of each sentence of the log.
fn maps() -> Result<Vec<Map>> {
    let mut maps: Vec<Map> = vec![];
    for row in &rows("translations")?[1..] {
        let pieces: Vec<&str> = row[2].split('|').collect();
        match (row[1].as_str(), maps.last_mut()) {
            ("read", _) => {
                maps.push(Map { read: pieces.iter().map(|piece| piece.trim().to_string()).collect(), wrote: vec![] });
            }
            ("wrote", Some(map)) => {
                let weights = pieces[1..].iter().map(|weight| weight.parse()).collect::<std::result::Result<_, _>>()?;
                map.wrote.push((pieces[0].trim().to_string(), weights));
            }
            _ => {}
        }
    }
    Ok(maps)
}

fn translations() -> Result<String> {
    const WIDTH: i32 = 880;
    let maps = maps()?;
    let (mut places, mut x, mut y, mut tall) = (vec![], 12, 8, 0);
    for map in &maps {
        if x + map.width() > WIDTH {
            (x, y, tall) = (12, y + tall, 0);
        }
        places.push((x, y));
        (x, tall) = (x + map.width(), tall.max(map.height()));
    }
    let mut sketch = Sketch::new(WIDTH, y + tall + 8);
    for (map, place) in maps.iter().zip(places) {
        map.draw(&mut sketch, place);
    }
    Ok(sketch.finish())
}
