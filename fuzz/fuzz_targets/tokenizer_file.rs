#![no_main]

#[path = "../../crates/text/tests/fuzz/tokenizer_file.rs"]
mod body;

libfuzzer_sys::fuzz_target!(
    init: {
        // A panic inside the tokenizing library becomes an error; the fuzzer's own hook would stop at it.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |data: &[u8]| body::run(data)
);
