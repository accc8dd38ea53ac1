#!/usr/bin/env bash
# Runs the workloads in Unspool and in every peer that is installed, one after the other, and prints Markdown tables.
#
#     benches/peers/all.sh [WORKLOAD...]             # all seven by default, and the matrix products
#     benches/peers/all.sh products                  # the matrix products alone
#     CAPABILITY=avx2 benches/peers/all.sh           # nobody uses more than AVX2, as far as that can be asked for
#     THREADS=2 SECONDS_PER=0.3 benches/peers/all.sh # other threads than 1 and 2; short runs, to try it out
#
# PYTHON names the interpreter (python3); PYTHON_TENSORFLOW, PYTHON_DYNET and PYTHON_ONNX those of peers that need an
# environment of their own. Run it on an idle machine. The lines of CSV stay in target/peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=benches/peers
folder=$PWD/target/peers
capability=${CAPABILITY:-native}
python=${PYTHON:-python3}
mkdir -p "$folder"
date=$(date +%F)
lines=$folder/workloads-$capability-$date.csv products=$folder/products-$capability-$date.csv log=$folder/log

case $capability in
    native) features=() ;;
    avx2)
        # Crates that choose their vectors when they are compiled.
        features=(--no-default-features)
        export UNSPOOL_CPU_CAPABILITY=avx2                            # Unspool
        export ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2  # PyTorch
        export ONEDNN_MAX_CPU_ISA=AVX2                                # PyTorch, TensorFlow, JAX
        export XLA_FLAGS=--xla_cpu_max_isa=AVX2                       # JAX, TensorFlow with jit_compile
        ;;
    *)
        echo "CAPABILITY is native or avx2, not $capability" >&2
        exit 2
        ;;
esac

workloads=(rnn_small rnn_small_custom lstm_custom_256 lstm_lm_medium sentiment gru_seq2seq_attn infer_step)
want_products=yes
if [ $# -gt 0 ]; then
    want_products=
    for name; do
        [ "$name" != products ] || want_products=yes
        [[ " products ${workloads[*]} " == *" $name "* ]] || {
            echo "no workload $name; there are products ${workloads[*]}" >&2
            exit 2
        }
    done
    workloads=("${@/#products/}")
fi

# Whether a Python has a module; says so once if it has not.
has() {
    "$1" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$2') is None)" 2>>"$log" || {
        echo "skipped: $3 is not installed ($1)" >&2
        return 1
    }
}

# Builds a crate beside this script into a folder for each capability, and prints the path of its program.
crate() {
    local target=$folder/$1-$capability
    if CARGO_TARGET_DIR=$target cargo build --quiet --release --manifest-path "$peers/$1/Cargo.toml" \
        "${@:2}" >>"$log" 2>&1; then
        echo "$target/release/$1"
    else
        echo "skipped: $1 does not build; see $log" >&2
    fi
}

: >"$log"
: >"$lines"
: >"$products"
cargo build --quiet --release -p unspool-benches --bin workloads --bin products
candle=$(crate candle_bench)
burn=$(crate burn_bench "${features[@]}")
gemm=$(crate gemm_bench "${features[@]}")
rten=$(crate rten_bench)
tensorflow_python=${PYTHON_TENSORFLOW:-$python}
dynet_python=${PYTHON_DYNET:-$python}
onnx_python=${PYTHON_ONNX:-$python}
torch=$(has "$python" torch PyTorch && echo yes || true)
jax=$(has "$python" jax JAX && echo yes || true)
tensorflow=$(has "$tensorflow_python" tensorflow TensorFlow && echo yes || true)
dynet=$(has "$dynet_python" _dynet DyNet && echo yes || true)
onnx=$(has "$onnx_python" onnx "the package onnx" && echo yes || true)
onnxruntime=$(has "$onnx_python" onnxruntime "ONNX Runtime" && echo yes || true)
compiler=$(command -v c++ g++ clang++ | head -1 || true)
[ -n "$compiler" ] || echo "skipped: torch.compile needs a C++ compiler, and there is none" >&2

model=$folder/model.onnx
[ -z "$onnx" ] || "$onnx_python" "$peers/write_onnx.py" "$model" 2>>"$log"

# Runs a command whose lines of CSV are kept; if it fails or takes over a quarter of an hour, the others still run.
run() {
    timeout 900 "$@" 2>>"$log" | grep -v -e ^name -e ^m,k,n | tee -a "$output" || echo "failed: $*; see $log" >&2
}

measure_workload() {
    local name=$1 threads=$2
    run target/release/workloads --threads "$threads" "$name"
    [ -z "$torch" ] || run "$python" "$peers/torch_bench.py" "$threads" "$name"
    [ -z "$torch" ] || [ -z "$compiler" ] || run "$python" "$peers/torch_bench.py" "$threads" --compile "$name"
    [ -z "$jax" ] || run "$python" "$peers/jax_bench.py" "$threads" "$name"
    [ -z "$tensorflow" ] || run "$tensorflow_python" "$peers/tf_bench.py" "$threads" "$name"
    case $name in
        rnn_small_custom | sentiment)
            [ -z "$dynet" ] || [ "$threads" != 1 ] || run "$dynet_python" "$peers/dynet_bench.py" "$threads" "$name"
            ;;
        infer_step)
            [ ! -e "$model" ] || [ -z "$onnxruntime" ] || \
                run "$onnx_python" "$peers/onnx_bench.py" "$threads" "$model"
            [ ! -e "$model" ] || [ -z "$rten" ] || RTEN_NUM_THREADS=$threads run "$rten" "$model"
            ;;
    esac
    case $name in
        rnn_small_custom | lstm_custom_256 | lstm_lm_medium | infer_step)
            [ -z "$candle" ] || RAYON_NUM_THREADS=$threads run "$candle" "$name"
            ;;
    esac
    case $name in
        rnn_small_custom | lstm_custom_256 | lstm_lm_medium)
            [ -z "$burn" ] || RAYON_NUM_THREADS=$threads run "$burn" "$name"
            ;;
    esac
}

measure_products() {
    local threads=$1
    run target/release/products --threads "$threads"
    [ -z "$torch" ] || run "$python" "$peers/products_torch.py" "$threads"
    [ -z "$gemm" ] || RAYON_NUM_THREADS=$threads run "$gemm"
}

# Progress goes to the error stream, so that the output is the tables alone.
for threads in ${THREADS:-1 2}; do
    output=$lines
    for name in "${workloads[@]}"; do
        [ -z "$name" ] || measure_workload "$name" "$threads" >&2
    done
    output=$products
    [ -z "$want_products" ] || measure_products "$threads" >&2
done

processor=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
family=$(awk -F': ' '/^cpu family/ { f = $2 } /^model\t/ { m = $2 } END { print "family " f ", model " m }' \
    /proc/cpuinfo)
vectors=AVX2
grep -q avx512f /proc/cpuinfo && vectors=AVX-512
[ "$capability" = native ] || vectors="$vectors, restricted to ${capability^^}"
echo "Measured on $date on $(nproc) cores of $processor ($family; $vectors), $(uname -sm)."
awk -v threads="${THREADS:-1 2}" -f "$peers/table.awk" "$lines"
awk -v threads="${THREADS:-1 2}" -f "$peers/products.awk" "$products"
