"""Writes reference.json: rankings of ../data/docs computed by bm25s, an independent implementation of BM25.

    pip install bm25s==0.3.16 && python cases/reference.py

bm25s also cuts the words: its tokenizer with the pattern below gives runs of letters and digits in lower case, which is what
this tool does on English text. `method="lucene"` is the formula in ../src/bm25.rs; float64 throughout.
"""
import json
import math
import pathlib
import re

import bm25s

here = pathlib.Path(__file__).parent
docs = here.parent / "data" / "docs"
paths = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.txt"))
texts = [(docs / path).read_text() for path in paths]
mounts = [{"host": "data/docs", "guest": "/docs", "access": "read-only"}]


def tokens(texts):
    return bm25s.tokenize(texts, lower=True, token_pattern=r"[^\W_]+", stopwords=None, return_ids=False, show_progress=False)


def ranking(query, k1=1.2, b=0.75, within=lambda path: True, keep=lambda text: True):
    """Paths and scores of all documents that hold a word of the query, best first."""
    chosen = [(path, text) for path, text in zip(paths, texts) if within(path)]
    corpus = tokens([text for _, text in chosen])
    model = bm25s.BM25(k1=k1, b=b, method="lucene", dtype="float64")
    model.index(corpus, show_progress=False)
    words = tokens([query])[0]
    scores = model.get_scores(words)
    ranked = [
        (path, float(score), len(words_of))
        for (path, text), score, words_of in zip(chosen, scores, corpus)
        if set(words) & set(words_of) and keep(text)
    ]
    ranked.sort(key=lambda one: (-one[1], one[0]))
    # Equal scores are ordered by path; nearly equal ones would make the order rest on rounding.
    gaps = [a[1] - b[1] for a, b in zip(ranked, ranked[1:])]
    assert all(gap == 0 or gap > 1e-9 for gap in gaps), (query, gaps)
    return ranked, {word: sum(word in words_of for words_of in corpus) for word in words}, len(chosen)


def counts(path, query):
    words = tokens([(docs / path).read_text()])[0]
    wanted = dict.fromkeys(tokens([query])[0])
    return [{"word": word, "count": words.count(word)} for word in wanted if word in words]


def case(name, text, query=None, limit=None, filter=None, options=None, **how):
    """`text` is what the tool is asked, `query` the bag of words that the reference ranks."""
    query = query or text
    ranked, holding, size = ranking(query, **how)
    assert ranked
    arguments = {"folder": "/docs", "text": text, "limit": limit or 100, "options": {"snippet": 0, "positions": 0, **(options or {})}}
    if filter:
        arguments["filter"] = filter
    hits = [
        {
            "path": f"/docs/{path}", "title": (docs / path).read_text().splitlines()[0], "score": score, "length": length,
            "matches": counts(path, query), "snippet": "", "positions": [],
        }
        for path, score, length in ranked[: limit or 100]
    ]
    return {
        "name": name, "tool": "query", "arguments": arguments, "mounts": mounts,
        "expect": {"includes": {"hits": hits, "total": len(ranked), "searched": {"documents": size, "complete": True}}},
        "tolerance": 1e-6,
    }


def statistics():
    corpus = tokens(texts)
    words = [word for one in corpus for word in one]
    stats = {word: (words.count(word), sum(word in one for one in corpus)) for word in set(words)}
    frequent = sorted(stats, key=lambda word: (-stats[word][0], word))[:15]
    worth = {word: count * math.log(len(corpus) / holding) for word, (count, holding) in stats.items()}
    distinctive = sorted(stats, key=lambda word: (-worth[word], word))[:15]
    listed = lambda chosen: [{"word": word, "count": stats[word][0], "documents": stats[word][1]} for word in chosen]
    return {
        "name": "the words of the sample are counted as the reference's tokenizer counts them",
        "tool": "stats", "arguments": {"folder": "/docs", "top": 15}, "mounts": mounts,
        "expect": {"includes": {
            "distinct_words": len(stats), "distinct_complete": True, "average_length": len(words) / len(corpus),
            "frequent": listed(frequent), "distinctive": listed(distinctive),
            "read": {"documents": len(corpus), "words": len(words), "bytes": sum(len(text.encode()) for text in texts)},
        }},
        "tolerance": 1e-9,
    }


cases = [
    case("one rare word scores as bm25s scores it", "grapes"),
    case("three words score as bm25s scores them", "lion mouse rope"),
    case("a frequent word keeps a positive score", "the", limit=100),
    case("a question in plain words scores as bm25s scores it", "Why did the Crow drop stones into the pitcher of water?", limit=10),
    case("a word that is repeated in the query counts again", "golden axe axe"),
    case("letter case and punctuation do not count", "WOLF, wolf's sheep!", limit=20),
    case("words that nobody wrote add nothing", "fox cryptography blockchain"),
    case("k1 of zero counts presence only", "wolf lamb", options={"k1": 0.0}, k1=0.0),
    case("b of zero leaves length out", "fox well goat", options={"b": 0.0}, b=0.0),
    case("k1 2 and b 1 score as bm25s scores them", "father sons sticks", options={"k1": 2.0, "b": 1.0}, k1=2.0, b=1.0),
    case("a filter makes a smaller collection with weights of its own", "fox lion wolf", filter={"include": ["people/**"]},
         within=lambda path: path.startswith("people/")),
    case("an excluded pattern leaves the collection too", "mouse cat", filter={"exclude": ["*mouse*"]},
         within=lambda path: "mouse" not in path),
    case("words in quotes must stand together and score as words", "\"sour grapes\" fox", "sour grapes fox",
         keep=lambda text: re.search(r"sour\s+grapes", text, re.I)),
    case("a word with a plus must occur", "+fox lion", "fox lion", keep=lambda text: re.search(r"\bfox\b", text, re.I)),
    case("a word with a minus must not occur, and still counts for nothing else", "fox -lion", "fox",
         keep=lambda text: not re.search(r"\blion\b", text, re.I)),
    statistics(),
]
text = ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases)
(here / "reference.json").write_text(f"[\n{text}\n]\n")
