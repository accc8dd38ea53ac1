//! Chromium without a window, told what to do over a pipe: the DevTools protocol, where a message is JSON and a zero
//! byte.

pub(crate) mod looks;
pub(crate) mod real;

use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(crate) struct Browser {
    process: Child,
    /// Of the profile and the pipes.
    _folder: tempfile::TempDir,
    requests: File,
    answers: BufReader<File>,
    session: Option<String>,
    number: u64,
    /// What the page complained about.
    pub(crate) complaints: Vec<String>,
}

impl Browser {
    /// Starts the program that `UNSPOOL_CHROMIUM` names, or else `chromium`.
    pub(crate) fn start() -> Browser {
        let folder = tempfile::tempdir().unwrap();
        let [requests, answers] = ["requests", "answers"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args([&requests, &answers]).status().unwrap().success());
        let program = std::env::var("UNSPOOL_CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<"$REQUESTS" 4>"$ANSWERS""#, &program]);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        command.env("REQUESTS", &requests).env("ANSWERS", &answers).stdin(Stdio::null());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let requests = File::options().write(true).open(requests).unwrap();
        let answers = BufReader::new(File::open(answers).unwrap());
        let (session, number, complaints) = (None, 0, vec![]);
        let mut browser = Browser { process, _folder: folder, requests, answers, session, number, complaints };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method, and returns its result.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = vec![];
            assert!(self.answers.read_until(0, &mut bytes).unwrap() > 0, "the browser ended");
            let answer: Value = serde_json::from_slice(&bytes[..bytes.len() - 1]).unwrap();
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            let is_complaint = answer["method"] == "Runtime.exceptionThrown"
                || answer["method"] == "Log.entryAdded" && answer["params"]["entry"]["level"] == "error";
            if is_complaint {
                self.complaints.push(answer["params"].to_string());
            }
        }
    }

    /// Returns the value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let found = self.call("Runtime.evaluate", parameters);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    pub(crate) fn text(&mut self, selector: &str) -> String {
        let found = self.value(&format!("document.querySelector({selector:?})?.textContent ?? ''"));
        found.as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let began = Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            if began.elapsed() > Duration::from_secs(60) {
                let page = self.value("document.body.innerText");
                panic!("{expression} does not become true: {page}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
        self.wait_for("document.querySelector('main h1')");
    }

    /// Sets the size of the window, and whether its user likes it dark.
    pub(crate) fn look(&mut self, width: u32, height: u32, dark: bool) {
        let mobile = width < 500;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Types a text into whatever has the focus.
    pub(crate) fn insert(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key: `Tab`, `Space`, `Control+Enter`.
    pub(crate) fn press(&mut self, name: &str) {
        let (control, name) = name.strip_prefix("Control+").map_or((false, name), |name| (true, name));
        let (key, code) = match name {
            "Tab" => ("Tab", 9),
            "Enter" => ("Enter", 13),
            "Space" => (" ", 32),
            "Escape" => ("Escape", 27),
            "ArrowRight" => ("ArrowRight", 39),
            "ArrowDown" => ("ArrowDown", 40),
            _ => panic!("{name}?"),
        };
        let mut event = json!({ "key": key, "code": name, "windowsVirtualKeyCode": code });
        event["modifiers"] = json!(if control { 2 } else { 0 });
        event["type"] = json!("keyDown");
        if ["Enter", "Space"].contains(&name) && !control {
            event["text"] = json!(if name == "Enter" { "\r" } else { " " });
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        (event["type"], event["text"]) = (json!("keyUp"), json!(""));
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Presses Tab until an element that matches has the focus, and checks that each stop on the way can be seen.
    pub(crate) fn tab_to(&mut self, selector: &str) {
        for _ in 0..40 {
            self.press("Tab");
            let seen = self.value(
                "(() => { const e = document.activeElement; return e === document.body || e.type === 'checkbox' || \
                 getComputedStyle(e).outlineStyle !== 'none' })()",
            );
            let what = self.value("document.activeElement.outerHTML.slice(0, 200)");
            assert!(seen == true, "the focus on {what} cannot be seen");
            if self.value(&format!("document.activeElement.matches({selector:?})")) == true {
                return;
            }
        }
        panic!("{selector} cannot be reached with Tab");
    }

    fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": 1, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// The place of a point of an element, whose corners are (0, 0) and (1, 1).
    fn place(&mut self, selector: &str, (x, y): (f64, f64)) -> (f64, f64) {
        let box_of = self.value(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }}); \
             const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height] }})()"
        ));
        let at = |place: usize| box_of[place].as_f64().unwrap();
        (at(0) + x * at(2), at(1) + y * at(3))
    }

    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.place(selector, (0.5, 0.5));
        self.mouse("mousePressed", place);
        self.mouse("mouseReleased", place);
    }

    /// Draws a line over an element with the mouse.
    pub(crate) fn drag(&mut self, selector: &str, points: &[(f64, f64)]) {
        let places: Vec<_> = points.iter().map(|point| self.place(selector, *point)).collect();
        self.mouse("mousePressed", places[0]);
        places.iter().for_each(|place| self.mouse("mouseMoved", *place));
        self.mouse("mouseReleased", places[places.len() - 1]);
    }

    /// Draws a line over an element with a finger.
    pub(crate) fn swipe(&mut self, selector: &str, points: &[(f64, f64)]) {
        let places: Vec<_> = points.iter().map(|point| self.place(selector, *point)).collect();
        let touch = |kind: &str, points: Value| json!({ "type": kind, "touchPoints": points });
        for (number, (x, y)) in places.iter().enumerate() {
            let kind = if number == 0 { "touchStart" } else { "touchMove" };
            self.call("Input.dispatchTouchEvent", touch(kind, json!([{ "x": x, "y": y }])));
        }
        self.call("Input.dispatchTouchEvent", touch("touchEnd", json!([])));
    }

    /// Chooses a file in the control that matches.
    pub(crate) fn choose_file(&mut self, selector: &str, file: &Path) {
        let root = self.call("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let node = self.call("DOM.querySelector", json!({ "nodeId": root, "selector": selector }))["nodeId"].clone();
        self.call("DOM.setFileInputFiles", json!({ "files": [file], "nodeId": node }));
    }

    /// Saves a picture of the whole page in the folder that `UNSPOOL_SCREENSHOTS` names, if it names one.
    pub(crate) fn picture(&mut self, name: &str) {
        let Ok(folder) = std::env::var("UNSPOOL_SCREENSHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let path = PathBuf::from(folder).join(format!("{name}.png"));
        fs::write(path, from_base64(shot["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The profile is removed once its processes have gone.
        self.session = None;
        let close = json!({ "id": 0, "method": "Browser.close" });
        let _ = self.requests.write_all(format!("{close}\0").as_bytes());
        let _ = self.process.wait();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| digits.iter().position(|digit| *digit == byte));
    let digits: Vec<u32> = digits.map(|digit| digit as u32).collect();
    let bytes = |four: &[u32]| {
        let bits = four.iter().enumerate().map(|(place, digit)| digit << (18 - 6 * place)).sum::<u32>();
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(bytes).collect()
}
