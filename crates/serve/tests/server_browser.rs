//! The page in a browser: typing, clicking and drawing, the keyboard alone, light and dark, and a narrow window.
//!
//! It needs Chromium, so it runs when it is asked for: `scripts/serve-browser.sh`.
#![cfg(unix)]

mod browser;
mod common;

use browser::{Browser, looks::looks_right, real};
use common::{Ear, Repeater, Server, Unready, wait_until};
use std::{
    fs,
    sync::{Arc, atomic::Ordering::SeqCst},
};
use unspool_serve::{
    Alternative, AttentionMap, Contribution, Description, Input, Limits, Model, Prediction, Question, Ranked, Refused,
    Training,
};

/// Says back what it is told, with everything that an answer can have.
struct Echo(&'static str);

impl Model for Echo {
    fn describe(&self) -> Description {
        let about = "Say back what is typed, with everything that an answer can have".to_owned();
        let takes_prefix = self.0 == "translation";
        Description { name: self.0.into(), task: self.0.into(), about, input: Input::Text, takes_prefix }
    }

    fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
        questions.iter().map(|question| self.answer(question)).collect()
    }

    fn training(&self) -> Option<Training> {
        let columns = ["epoch", "train_loss", "dev_loss", "dev_bleu"].map(str::to_owned).to_vec();
        let row = |n: i32| vec![Some(f64::from(n)), Some(4.0 / f64::from(n)), Some(4.5 / f64::from(n)), None];
        Some(Training { is_running: true, columns, rows: (1..20).map(row).collect() })
    }

    fn curve(&self) -> Option<String> {
        Some(concat!(r##"<svg width="860" height="340" xmlns="http://www.w3.org/2000/svg">"##,
            r##"<text x="20" y="30" fill="#808080">loss</text><polyline fill="none" opacity="1" stroke="#3b82d6" "##,
            r##"stroke-width="2" points="40,40 200,200 400,280 800,300"/></svg>"##).into())
    }
}

impl Echo {
    fn answer(&self, question: &Question) -> Result<Prediction, Refused> {
        let (asked, prefix) = (question.text()?, question.prefix.as_deref().unwrap_or_default());
        let text = &begun_with(prefix, asked);
        let alternative = |number: usize| {
            let (word, probability) = (["a", "</b>", ""][number], 0.5f64.powi(number as i32 + 1));
            let prefix = format!("{prefix}{word}").trim_end().to_owned();
            let answer = if word.is_empty() { prefix.clone() } else { begun_with(&prefix, asked) };
            Alternative { text: word.into(), probability, prefix, answer }
        };
        let alternatives: Vec<Alternative> = (0..question.alternatives.min(3)).map(alternative).collect();
        if text == "nonsense" {
            return Err(Refused::question("that is <b>nonsense</b>", "say something else"));
        }
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let share =
            |row: usize, column: usize| if row == column { 0.9 } else { 0.1 / (words.len() as f64 - 1.0).max(1.0) };
        let weights = (0..words.len()).map(|row| (0..words.len()).map(|column| share(row, column)).collect()).collect();
        let sign = |place: usize| if place.is_multiple_of(3) { -1.0 } else { 1.0 };
        let value = |place: usize| sign(place) * (1.0 + place as f64 / 4.0).sin().abs();
        let part = |(place, c): (usize, char)| Contribution { text: c.into(), value: value(place) };
        let is_sentiment = self.0 == "sentiment";
        let ranked = |number: usize| Ranked {
            text: format!("{text}{}", "!".repeat(number)),
            score: Some(0.7 - 0.2 * number as f64),
        };
        Ok(Prediction {
            probability: is_sentiment.then_some(0.7),
            best: (0..3).map(ranked).collect(),
            contributions: is_sentiment.then(|| text.chars().enumerate().map(part).collect()),
            alternatives: (!alternatives.is_empty()).then_some(alternatives),
            attention: (!is_sentiment).then(|| AttentionMap { rows: words.clone(), columns: words.clone(), weights }),
            ..Prediction::answer(text)
        })
    }
}

/// The text with a prefix in the place of as many words.
fn begun_with(prefix: &str, text: &str) -> String {
    let begun: Vec<&str> = prefix.split_whitespace().collect();
    let rest = text.split(' ').skip(begun.len());
    begun.iter().copied().chain(rest).collect::<Vec<_>>().join(" ")
}

/// Says how many cells of a picture have ink.
struct Ink;

impl Model for Ink {
    fn describe(&self) -> Description {
        let about = "Count the cells of a picture that have ink".to_owned();
        Description {
            name: "digits".into(),
            task: "digits".into(),
            about,
            input: Input::Picture { side: 8, darkest: 16 },
            takes_prefix: false,
        }
    }

    fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
        let answer = |question: &Question| {
            let levels: Vec<&str> = question.text()?.split(',').collect();
            assert_eq!(levels.len(), 64);
            Ok(Prediction::answer(levels.iter().filter(|level| **level != "0").count().to_string()))
        };
        questions.iter().map(answer).collect()
    }
}

#[test]
#[ignore = "needs Chromium: scripts/serve-browser.sh"]
fn the_page_works_with_mouse_and_keyboard_light_and_dark_wide_and_narrow() {
    let repeater = Arc::new(Repeater::default());
    let models: Vec<Arc<dyn Model>> = vec![
        Arc::new(Echo("translation")),
        Arc::new(Echo("sentiment")),
        repeater.clone(),
        Arc::new(Ink),
        Arc::new(Ear),
        Arc::new(Unready),
    ];
    let server = Server::start(models, Limits::default());
    let (files, mut browser) = (tempfile::tempdir().unwrap(), Browser::start());
    let at = |model: &str| format!("http://{}/?model={model}", server.address);
    browser.look(1000, 900, false);

    // Type, click, and look at alternatives, attention and the learning curve.
    browser.open(&format!("http://{}/", server.address));
    browser.click("textarea");
    browser.insert("the house is red");
    browser.click("button[type=submit]");
    browser.wait_for("document.querySelector('.map') && document.querySelector('.curve')?.complete");
    assert_eq!(browser.text(".answer").trim(), "the house is red …");
    assert_eq!(browser.value("document.querySelector('.curve').naturalWidth"), 860);
    looks_right(&mut browser, "translation");

    // A word that is clicked shows what else could stand there; what is chosen begins the next translation.
    browser.click(".word:nth-of-type(2)");
    browser.wait_for("document.querySelectorAll('.alternatives button').length === 3");
    let caption = "Instead of “house”: how likely each word's first token is, and how the likeliest goes on";
    assert_eq!(browser.text(".alternatives caption"), caption);
    assert_eq!(browser.text(".alternatives tr:nth-child(2) td"), "</b>");
    looks_right(&mut browser, "alternatives");
    browser.click(".alternatives tr:nth-child(1) button");
    browser.wait_for("document.querySelector('.words').textContent.startsWith('the a is red')");
    assert_eq!(browser.value("document.querySelectorAll('.word.kept').length"), 2);
    assert_eq!(browser.value("document.activeElement.textContent"), "is");
    // The keyboard alone: Enter opens and chooses, Escape closes, and the focus goes along.
    browser.press("Enter");
    browser.wait_for("document.activeElement.closest('.alternatives')");
    browser.press("Escape");
    assert_eq!(browser.value("document.activeElement.textContent"), "is");
    assert_eq!(browser.value("document.querySelectorAll('.alternatives button').length"), 0);
    browser.press("Enter");
    browser.wait_for("document.activeElement.closest('.alternatives')");
    browser.tab_to(".alternatives tr:nth-child(2) button");
    browser.press("Enter");
    browser.wait_for("document.querySelector('.words').textContent.startsWith('the a </b> red')");
    // The end of the answer is a choice as well, and more can be written after it.
    browser.click(".word:nth-of-type(4)");
    browser.wait_for("document.querySelectorAll('.alternatives button').length === 3");
    browser.click(".alternatives tr:nth-child(3) button");
    browser.wait_for("document.querySelector('.words').textContent.trim() === 'the a </b> …'");
    browser.press("Enter");
    browser.wait_for("document.querySelectorAll('.alternatives button').length === 3");

    // The keyboard alone; what looks like markup is text.
    browser.open(&at("translation"));
    browser.tab_to("textarea");
    let hostile = r#"<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>"#;
    browser.insert(hostile);
    browser.press("Control+Enter");
    browser.wait_for("document.querySelector('.answer')");
    assert_eq!(browser.text(".answer").trim(), format!("{hostile} …"));
    assert_eq!(browser.value("document.querySelector('.result img, .result script')"), serde_json::Value::Null);
    assert!(browser.value("document.title").as_str().unwrap().starts_with("translation"));
    browser.value("document.querySelector('textarea').value = 'nonsense'");
    browser.tab_to("button[type=submit]");
    browser.press("Enter");
    browser.wait_for("document.querySelector('[role=alert]')");
    assert_eq!(browser.text("[role=alert]"), "that is <b>nonsense</b>: say something else");

    // Contributions.
    browser.click("nav a[href*=sentiment]");
    browser.wait_for("document.querySelector('h1')?.textContent === 'sentiment'");
    browser.click("textarea");
    browser.insert("A film that is as good as it is long, and it is very long.");
    browser.click("button[type=submit]");
    browser.wait_for("document.querySelectorAll('.piece').length === 58");
    browser.click("summary");
    looks_right(&mut browser, "sentiment");

    // Text appears as it is written, and stops when it is told to.
    browser.open(&at("repeater"));
    looks_right(&mut browser, "generate");
    browser.click("textarea");
    browser.insert("Once");
    browser.value("document.querySelectorAll('input')[0].value = 20");
    browser.value("document.querySelectorAll('input')[1].value = 2000");
    browser.click("button[type=submit]");
    browser.wait_for("document.querySelector('.text').textContent.length > 20");
    assert!(browser.text(".text").starts_with("Onceword word"));
    let before = browser.text(".text").len();
    browser.wait_for(&format!("document.querySelector('.text').textContent.length > {before} + 20"));
    looks_right(&mut browser, "generated");
    browser.click("button.plain");
    wait_until(|| repeater.running.load(SeqCst) == 0);
    assert_eq!(repeater.unread.load(SeqCst), 1);

    // Draw with the mouse, cell by cell with the keyboard, and from a file.
    browser.open(&at("digits"));
    browser.drag("canvas", &[(0.3, 0.2), (0.7, 0.2), (0.5, 0.5), (0.4, 0.8)]);
    browser.wait_for("Number(document.querySelector('.answer')?.textContent) > 8");
    looks_right(&mut browser, "digits");
    browser.open(&at("digits"));
    browser.look(390, 844, false);
    browser.swipe("canvas", &[(0.3, 0.2), (0.7, 0.2), (0.5, 0.5), (0.4, 0.8)]);
    browser.wait_for("Number(document.querySelector('.answer')?.textContent) > 8");
    browser.look(1000, 900, false);
    browser.open(&at("digits"));
    browser.tab_to("[role=gridcell]");
    for key in ["Space", "ArrowRight", "ArrowDown", "Space", "Enter"] {
        browser.press(key);
    }
    browser.wait_for("document.querySelector('.answer')?.textContent === '2'");
    let label = browser.value("document.activeElement.ariaLabel");
    assert_eq!(label, "row 2, column 2: 16 of 16");
    let pgm = files.path().join("digit.pgm");
    let pixels = (0..64).map(|pixel| if pixel % 9 == 0 { "0 " } else { "255 " }).collect::<String>();
    fs::write(&pgm, format!("P2\n# a diagonal\n8 8\n255\n{pixels}")).unwrap();
    browser.choose_file("input[type=file]", &pgm);
    browser.wait_for("document.querySelector('.answer')?.textContent === '8'");
    let other = files.path().join("other.pgm");
    fs::write(&other, "P7 nothing").unwrap();
    browser.choose_file("input[type=file]", &other);
    browser.wait_for("document.querySelector('[role=alert]')");

    // Upload a recording.
    browser.open(&at("ear"));
    let wav = files.path().join("speech.wav");
    fs::write(&wav, [7; 12_345]).unwrap();
    browser.choose_file("input[type=file]", &wav);
    browser.click("button[type=submit]");
    browser.wait_for("document.querySelector('.answer')?.textContent === '12345'");
    looks_right(&mut browser, "speech");

    // A model without weights says so.
    browser.open(&at("unready"));
    assert_eq!(browser.text(".notice"), "no weights yet");
    assert_eq!(browser.value("document.querySelector('form')"), serde_json::Value::Null);
    looks_right(&mut browser, "unready");

    // The one answer that was no success is the one that was asked for.
    let complaints: Vec<&String> = browser.complaints.iter().filter(|one| !one.contains("status of 422")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// Uses the models of a server that runs, whose address `UNSPOOL_SERVED` has.
#[test]
#[ignore = "needs Chromium and trained models: scripts/serve-browser.sh RUN_DIR..."]
fn the_pages_of_trained_models_work() {
    let Ok(address) = std::env::var("UNSPOOL_SERVED") else { return };
    let address = address.trim().trim_end_matches('/').to_owned();
    let (files, mut browser) = (tempfile::tempdir().unwrap(), Browser::start());
    browser.look(1000, 900, false);
    browser.open(&address);
    let models = browser.value("fetch('/api/models').then((answer) => answer.json())");
    for model in models.as_array().unwrap() {
        let [name, task] = ["name", "task"].map(|key| model[key].as_str().unwrap());
        println!("{name}, a model of {task}");
        browser.open(&format!("{address}/?model={name}"));
        real::try_model(&mut browser, task, files.path());
    }
    // Answers that were no success are those that were asked for: 1 MB of text is too much.
    let complaints: Vec<&String> = browser.complaints.iter().filter(|one| !one.contains("status of 413")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}
