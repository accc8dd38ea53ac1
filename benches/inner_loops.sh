#!/usr/bin/env bash
# Fails if an inner loop of the matrix product keeps a sum on the stack.
#
#     benches/inner_loops.sh [PROGRAM]     # default: target/release/workloads, which is built first
#
# A tile of sums must stay in registers. If it has one register more than the processor, the compiler keeps a sum on the
# stack, and each step of the loop waits for a store and a load. The script disassembles the program, finds the innermost
# loops that do nothing to vectors but multiply and add them, four or more at a step, and prints for each kind of vector
# how many there are, how many sums the largest of them has, and how many accesses to the stack all of them make.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    # Not stripped, since the names of the functions are needed.
    cargo rustc --quiet --release -p unspool-benches --bin workloads -- -C strip=none
fi
objdump --disassemble --no-show-raw-insn --demangle=rust "${1:-target/release/workloads}" | awk '
    # What a loop multiplies by: 512-bit, 256-bit, 128-bit vectors, or NEON.
    function kind(line) {
        if (line ~ /%zmm/) return "AVX-512"
        if (line ~ /%ymm/) return "AVX2"
        if (line ~ /vfn?madd[0-9]*p[sd]/) return "128 bits"
        return "NEON"
    }
    function look(first, last,    i, sums, stack, vectors) {
        for (i = first; i <= last; i++) {
            if (code[i] ~ /^(vfn?m(add|sub)[0-9]*p[sd]|fmla[ \t]+v)/) { sums++; vectors = kind(code[i]) }
            else if (code[i] ~ /^(v(mul|add|sub|div|max|min|and|or|xor|cmp|blend|cvt|rnd|round|sqrt|p)|f(mul|add|sub|div)[ \t]+v)/) return
            if (code[i] ~ /\((%rsp|%rbp)|\[sp/) stack++
        }
        if (sums < 4) return
        loops[vectors]++
        accesses[vectors] += stack
        if (sums > largest[vectors]) largest[vectors] = sums
        if (stack) printf "%s: %d accesses to the stack beside %d sums, in the loop at %s\n", name, stack, sums, at[first]
    }
    # Backward jumps end a loop; one that encloses another is not innermost.
    function end_of_function(    i, j, target, inner) {
        for (i = 1; i <= lines; i++) {
            if (code[i] !~ /^(j|b\.|cbn?z|tbn?z)/) continue
            target = code[i]; sub(/ *<.*/, "", target); sub(/.*[ \t,]/, "", target)
            if (!(target in line_of) || line_of[target] > i) continue
            inner = 1
            for (j = line_of[target]; j < i; j++) if (j in back) inner = 0
            back[i] = 1
            if (inner) look(line_of[target], i)
        }
        lines = 0; delete code; delete at; delete line_of; delete back
    }
    /^[0-9a-f]+ <.*>:$/ {
        end_of_function()
        wanted = /pulp::/
        name = $0; sub(/^[^<]*</, "", name); sub(/>:$/, "", name)
        next
    }
    wanted && /^ +[0-9a-f]+:/ {
        lines++
        at[lines] = $1; sub(/:/, "", at[lines])
        code[lines] = $0; sub(/^ +[0-9a-f]+:[ \t]*/, "", code[lines])
        line_of[at[lines]] = lines
    }
    END {
        end_of_function()
        for (vectors in loops) {
            printf "%s: %d inner loops, at most %d sums, %d accesses to the stack\n", \
                vectors, loops[vectors], largest[vectors], accesses[vectors]
            any++; bad += accesses[vectors]
        }
        if (!any) { print "found no inner loop of the matrix product: is the program stripped?"; exit 1 }
        exit bad > 0
    }'
