//! Scores of language models, from the sum of −ln p over what was predicted.

use crate::error::Error;

/// Returns exp(−Σ ln p / tokens): the number of equally likely tokens among which the model chooses, on average.
///
/// More in [chapter 8](https://github.com/unspool/unspool/blob/main/docs/08-language-model.md) of the tutorial.
///
/// ```
/// let loss = 3.0 * 8f64.ln();
/// assert!((unspool_text::score::perplexity(loss, 3)? - 8.0).abs() < 1e-12);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingToScore`] for 0 tokens.
pub fn perplexity(negative_log_likelihood: f64, tokens: u64) -> Result<f64, Error> {
    if tokens == 0 {
        return Err(Error::NothingToScore);
    }
    Ok((negative_log_likelihood / tokens as f64).exp())
}

/// Returns −Σ log₂ p / characters. The number of characters is the text's own, whatever the tokens were, so models with
/// different tokenizers can be compared.
///
/// More in [chapter 8](https://github.com/unspool/unspool/blob/main/docs/08-language-model.md) of the tutorial.
///
/// ```
/// let loss = 3.0 * 8f64.ln();
/// assert!((unspool_text::score::bits_per_character(loss, 9)? - 1.0).abs() < 1e-12);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingToScore`] for 0 characters.
pub fn bits_per_character(negative_log_likelihood: f64, characters: u64) -> Result<f64, Error> {
    if characters == 0 {
        return Err(Error::NothingToScore);
    }
    Ok(negative_log_likelihood / std::f64::consts::LN_2 / characters as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_among_equally_likely_tokens_has_their_number_as_its_perplexity() {
        // Each of 5 tokens is one of 8, and the text has 10 characters: 15 bits.
        let loss = 5.0 * 8f64.ln();
        assert!((perplexity(loss, 5).unwrap() - 8.0).abs() < 1e-12);
        assert!((bits_per_character(loss, 10).unwrap() - 1.5).abs() < 1e-12);
    }

    #[test]
    fn nothing_predicted_is_no_score() {
        assert_eq!(perplexity(0.0, 0).unwrap_err().to_string(), "nothing to score");
        assert_eq!(bits_per_character(0.0, 0).unwrap_err().to_string(), "nothing to score");
    }
}
