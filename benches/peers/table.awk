# Makes a Markdown table of lines name,peer,threads,median_ms,min_ms,tokens_per_s[,compile_s].
BEGIN { FS = ","; split(threads, counts, " ") }

{
    if (!($1 in seen)) { seen[$1]; names[++rows] = $1 }
    if ($2 != "unspool" && !($2 in peer)) { peer[$2]; peers[++columns] = $2 }
    median[$1, $2, $3] = $4
    if ($2 == "torch.compile") compile[$1, $3] = $7
}

END {
    if (!rows) exit
    printf "\nMedian milliseconds per step on %s threads:\n\n| workload | Unspool |", joined()
    for (p = 1; p <= columns; p++)
        printf " %s |%s", peers[p], peers[p] == "torch.compile" ? " its compile time, s |" : ""
    printf " best peer ÷ Unspool |\n| --- | --- | --- |"
    for (p = 1; p <= columns; p++) printf " --- |%s", peers[p] == "torch.compile" ? " --- |" : ""
    print ""
    for (r = 1; r <= rows; r++) print row(names[r])
}

function joined(   i, text) {
    for (i = 1; i in counts; i++) text = text (i > 1 ? " / " : "") counts[i]
    return text
}

function row(name,   p, i, text) {
    text = "| `" name "` | " cell(name, "unspool") " |"
    for (p = 1; p <= columns; p++) {
        text = text " " cell(name, peers[p]) " |"
        if (peers[p] == "torch.compile") text = text " " compiling(name) " |"
    }
    return text " " ratios(name) " |"
}

# The medians of a peer for each number of threads; nothing if it has none.
function cell(name, of,   i, text, any) {
    for (i = 1; i in counts; i++) {
        text = text (i > 1 ? " / " : "")
        if ((name, of, counts[i]) in median) {
            any = 1
            text = text digits(median[name, of, counts[i]])
        } else
            text = text "–"
    }
    return any ? text : ""
}

function compiling(name,   i, text) {
    for (i = 1; i in counts; i++) text = text (i > 1 ? " / " : "") compile[name, counts[i]]
    return text ~ /[0-9]/ ? text : ""
}

function ratios(name,   i, p, best, text) {
    for (i = 1; i in counts; i++) {
        best = 0
        for (p = 1; p <= columns; p++)
            if ((name, peers[p], counts[i]) in median && (!best || median[name, peers[p], counts[i]] < best))
                best = median[name, peers[p], counts[i]]
        text = text (i > 1 ? " / " : "")
        if (best && median[name, "unspool", counts[i]])
            text = text sprintf("%.2f", best / median[name, "unspool", counts[i]])
        else
            text = text "–"
    }
    return text
}

# Three digits, or the whole part.
function digits(x) { return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x) }
