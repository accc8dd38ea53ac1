//! Any text as hypotheses and references: scores within their bounds.

use unspool_text::score::{Bleu, Chrf, Confusion, CorpusMetric, Edits, Smoothing, Tokenization, token_error_rate};

/// Lines in pairs: a hypothesis, then its reference.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    let (hypotheses, references): (Vec<&str>, Vec<&str>) = lines.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    let bounded = |score: f64| assert!((0.0..=100.0 + 1e-9).contains(&score), "{score}");
    for tokenization in [Tokenization::V13a, Tokenization::International, Tokenization::Char, Tokenization::None] {
        let settings = [
            Bleu { tokenization, ..Default::default() },
            Bleu { tokenization, lowercase: true, effective_order: true, ..Default::default() },
            Bleu { tokenization, smoothing: Smoothing::AddK(1.0), ..Default::default() },
            Bleu { tokenization, smoothing: Smoothing::Floor(0.1), ..Default::default() },
        ];
        for bleu in settings {
            if let Ok(score) = bleu.score(&hypotheses, &[&references, &hypotheses]) {
                bounded(score.score);
            }
            if let Ok(score) = bleu.score(&hypotheses, &[&references]) {
                bounded(score.score);
                let _ = score.to_string();
            }
        }
    }
    for chrf in [Chrf::default(), Chrf::plus_plus(), Chrf { char_order: 9, whitespace: true, ..Default::default() }] {
        if let Ok(score) = chrf.score(&hypotheses, &[&references]) {
            bounded(score.score);
        }
    }
    if data.len() <= 256 {
        let (left, right) = data.split_at(data.len() / 3);
        let edits = Edits::between(left, right);
        assert!(edits.total() as usize <= left.len().max(right.len()));
        assert!(edits.total() as usize >= left.len().abs_diff(right.len()));
        let _ = token_error_rate(&[left], &[right]);
    }
    let ids: Vec<u32> = data.iter().map(|byte| u32::from(*byte) % 5).collect();
    let (left, right) = ids.split_at(ids.len() / 2);
    if let Ok(confusion) = Confusion::new(left, &right[..left.len()], 4) {
        assert!((0.0..=1.0).contains(&confusion.macro_f1()));
    }
}
