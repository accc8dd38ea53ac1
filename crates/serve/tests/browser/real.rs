//! The page of a trained model, as a person uses it.

use super::{Browser, looks::looks_right};
use std::{f64::consts::TAU, fs, path::Path};

/// Markup, quotation marks, and a change of direction, which would turn round what stands after it.
const HOSTILE: &str = concat!(
    "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">",
    "' \" & \u{202e}abc \u{5d0}\u{5d1}"
);

/// Uses the page that is open, of a model of this task.
pub(crate) fn try_model(browser: &mut Browser, task: &str, files: &Path) {
    let title = browser.value("document.title");
    match task {
        "translation" => translate(browser),
        "digits" => draw(browser),
        "language-model" => write(browser),
        "speech" => hear(browser, files),
        _ => ask(browser, task, if task == "spacing" { "재미있는영화" } else { "정말 재미있는 영화" }),
    }
    looks_right(browser, &format!("real-{task}"));
    if browser.value("Boolean(document.querySelector('textarea'))") == true {
        survives_hostile_text(browser);
    }
    assert_eq!(browser.value("document.title"), title);
}

/// Types a text, and waits for the answer.
fn answered(browser: &mut Browser, text: &str) {
    browser.value("document.querySelector('textarea').value = ''; document.querySelector('.result').replaceChildren()");
    browser.click("textarea");
    browser.insert(text);
    browser.press("Control+Enter");
    browser.wait_for("document.querySelector('.result .answer')");
}

fn ask(browser: &mut Browser, task: &str, text: &str) {
    answered(browser, text);
    if task == "sentiment" {
        assert_eq!(browser.value("document.querySelectorAll('.piece').length"), text.chars().count());
        assert_eq!(browser.value("document.querySelectorAll('.bars tr').length"), 2);
        browser.click("summary");
    }
}

/// Translations with their scores, the map of attention, and the alternatives of a word.
fn translate(browser: &mut Browser) {
    answered(browser, "Jag vill inte gå hem.");
    assert!(browser.value("document.querySelectorAll('table caption + thead + tbody tr').length").as_u64() > Some(1));
    assert!(browser.value("document.querySelectorAll('.map tbody tr').length").as_u64() > Some(0));
    looks_right(browser, "real-translation-answer");
    let before = browser.text(".words");
    browser.click(".word");
    browser.wait_for("document.activeElement.closest('.alternatives')");
    assert_eq!(browser.value("document.querySelectorAll('.alternatives button').length"), 8);
    let shares =
        browser.value("[...document.querySelectorAll('.alternatives .number')].map((e) => parseFloat(e.textContent))");
    let shares: Vec<f64> = shares.as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).collect();
    assert!(shares.is_sorted_by(|a, b| a >= b) && shares.iter().sum::<f64>() < 100.5, "{shares:?}");
    // The second of them is another word than that of the translation, or the first is.
    let first = before.split_whitespace().next().unwrap_or_default().to_owned();
    let others = browser.value("[...document.querySelectorAll('.alternatives button')].map((e) => e.textContent)");
    let place = others.as_array().unwrap().iter().position(|one| *one != *first && *one != *"(end)").unwrap();
    let other = others[place].as_str().unwrap().to_owned();
    looks_right(browser, "real-translation-alternatives");
    browser.click(&format!(".alternatives tr:nth-child({}) button", place + 1));
    browser.wait_for("document.querySelector('.word.kept')");
    assert!(browser.text(".words").starts_with(&other), "{other}: {}", browser.text(".words"));
}

fn draw(browser: &mut Browser) {
    let seven = [(0.3, 0.2), (0.7, 0.2), (0.6, 0.4), (0.45, 0.8)];
    browser.drag("canvas", &seven);
    browser.wait_for("document.querySelector('.answer')?.textContent.length === 1");
    looks_right(browser, "real-digits-mouse");
    browser.look(390, 844, false);
    browser.value("document.querySelector('.result').replaceChildren()");
    browser.swipe("canvas", &[(0.5, 0.15), (0.5, 0.4), (0.5, 0.85)]);
    browser.wait_for("document.querySelector('.answer')?.textContent.length === 1");
    browser.look(1000, 900, false);
    browser.value("document.querySelector('.result').replaceChildren()");
    browser.tab_to("[role=gridcell]");
    browser.press("Space");
    browser.press("Enter");
    browser.wait_for("document.querySelector('.answer')?.textContent.length === 1");
}

/// Text that appears while it is written, and stops.
fn write(browser: &mut Browser) {
    browser.click("textarea");
    browser.insert("ROMEO:");
    browser.value("document.querySelectorAll('input')[0].value = 1.2");
    browser.value("document.querySelectorAll('input')[1].value = 10000");
    browser.click("button[type=submit]");
    browser.wait_for("document.querySelector('.text').textContent.length > 60");
    assert!(browser.text(".text").starts_with("ROMEO:"));
    browser.click("button.plain");
    browser.wait_for("document.querySelector('button.plain').disabled");
}

/// Three tones of a quarter of a second, at 8000 samples a second.
fn hear(browser: &mut Browser, files: &Path) {
    let sample = |n: u32| {
        let frequency = [300.0, 500.0, 700.0][(n / 2000) as usize];
        (8000.0 * (TAU * frequency * f64::from(n) / 8000.0).sin()) as i16
    };
    let samples: Vec<u8> = (0..6000).flat_map(|n| sample(n).to_le_bytes()).collect();
    let length = samples.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000u32.to_le_bytes().iter().chain(&16_000u32.to_le_bytes()).chain(b"\x02\0\x10\0data"));
    wav.extend(length.to_le_bytes().iter().chain(&samples));
    let path = files.join("tones.wav");
    fs::write(&path, wav).unwrap();
    browser.choose_file("input[type=file]", &path);
    browser.click("button[type=submit]");
    browser.wait_for("document.querySelector('.answer')");
}

/// What looks like markup stays text, what cannot be seen is shown as its code, and too much text is refused.
fn survives_hostile_text(browser: &mut Browser) {
    let counted = "document.querySelectorAll('main script, main img:not(.curve)').length";
    browser.value("document.querySelector('textarea').value = ''");
    browser.click("textarea");
    browser.insert(HOSTILE);
    browser.press("Control+Enter");
    browser.wait_for("document.querySelector('.result .answer, .result [role=alert], .text')?.textContent.length > 0");
    browser.wait_for("!document.querySelector('button[type=submit]').disabled");
    assert_eq!(browser.value(counted), 0);
    assert_eq!(browser.value("/[\\u202a-\\u202e]/.test(document.querySelector('main').textContent)"), false);
    browser.value("document.querySelector('button.plain:not(:disabled)')?.click()");
    browser.value("document.querySelector('textarea').value = 'word '.repeat(210000)");
    browser.value("document.querySelector('main form').requestSubmit()");
    browser.wait_for("document.querySelector('main [role=alert]')");
    assert!(browser.text("main [role=alert]").contains("the request has more than 524288 bytes"));
}
