# Makes a Markdown table of lines m,k,n,transposed,peer,threads,gflops.
BEGIN { FS = ","; split(threads, counts, " "); columns = split("unspool,unspool packed,gemm,torch", peers, ",") }

{
    shape = $1 "×" $2 "×" $3 ($4 == "none" ? "" : ", " $4 "ᵀ")
    if (!(shape in seen)) { seen[shape]; shapes[++rows] = shape }
    speed[shape, $5, $6] = $7
}

END {
    if (!rows) exit
    for (i = 1; i in counts; i++) text = text (i > 1 ? " / " : "") counts[i]
    print "\nGFLOP/s on " text " threads, for `m×k×n` and the operand that lies in memory as its transpose:\n"
    print "| product | Unspool | Unspool, packed | `gemm` | PyTorch | Unspool ÷ best peer |"
    print "| --- | --- | --- | --- | --- | --- |"
    for (r = 1; r <= rows; r++) {
        text = "| `" shapes[r] "` |"
        for (p = 1; p <= columns; p++) text = text " " cell(shapes[r], peers[p]) " |"
        print text " " ratios(shapes[r]) " |"
    }
}

function cell(shape, of,   i, text, any) {
    for (i = 1; i in counts; i++) {
        text = text (i > 1 ? " / " : "")
        if ((shape, of, counts[i]) in speed) {
            any = 1
            text = text sprintf("%.0f", speed[shape, of, counts[i]])
        } else
            text = text "–"
    }
    return any ? text : ""
}

# Of products as they lie: the peers pack what they multiply too.
function ratios(shape,   i, ours, best, text) {
    for (i = 1; i in counts; i++) {
        ours = speed[shape, "unspool", counts[i]]
        best = speed[shape, "gemm", counts[i]] + 0
        if (speed[shape, "torch", counts[i]] + 0 > best) best = speed[shape, "torch", counts[i]] + 0
        text = text (i > 1 ? " / " : "") (ours && best ? sprintf("%.2f", ours / best) : "–")
    }
    return text
}
