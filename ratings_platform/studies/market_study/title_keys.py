"""Titles made comparable across vendors.

Belongs here: the rules that turn a title into its `title_key`, as Ibis operations that give the same text on every
engine. Does not belong here: which table holds titles (`models`).

Engines differ in their Unicode functions (normal forms, accents, the lower case of Σ and İ), so letters are folded
by tables made here from Python's `unicodedata`. Regular expressions keep to what RE2 and Java read alike: no
look-around, no `\\b`, no reference to a group, which one engine writes `\\1` and the other `$1`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import chain

import ibis
import ibis.expr.types as ir

# Blocks in which a letter may stand for a plainer one: Latin, Greek, Cyrillic, super- and subscripts, Roman
# numerals, ligatures, full width. Other scripts keep their letters as they are.
_BLOCKS = (
    range(0x80, 0x250),
    range(0x370, 0x530),
    range(0x1E00, 0x2000),
    range(0x2070, 0x20A0),
    range(0x2160, 0x2180),
    range(0xFB00, 0xFB07),
    range(0xFF01, 0xFF5F),
)
_MARKS = range(0x300, 0x370)
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
# What Unicode does not decompose, or decomposes into something that reads otherwise ("8½" is no "81/2").
_BY_HAND = {
    **dict.fromkeys("‘’‛ʼ′´`", "'"),
    **{"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ø": "o", "ð": "d", "đ": "d", "ħ": "h", "ł": "l", "ŧ": "t"},
    **{"ı": "i", "ς": "σ", "¼": " 1 4 ", "½": " 1 2 ", "¾": " 3 4 ", "№": "no "},
}

# Said of an edition or a format, but only beside one of the words below: "Special" alone may be part of a title.
_BESIDE = [
    "the",
    "a",
    "an",
    "and",
    "with",
    "in",
    "on",
    "for",
    "plus",
    "special",
    "collector",
    "collectors",
    "limited",
    "deluxe",
    "ultimate",
    "platinum",
    "gold",
    "diamond",
    "signature",
    "anniversary",
    "extended",
    "final",
    "full",
    "theatrical",
    "original",
    "director",
    "directors",
    "producers",
    "unrated",
    "rated",
    "digital",
    "digitally",
    "single",
    "double",
    "multi",
    "disc",
    "discs",
    "disk",
    "set",
    "pack",
    "bonus",
    "features",
    "english",
    "spanish",
    "french",
    "german",
    "italian",
    "japanese",
    "language",
    "international",
    "us",
    "uk",
    "american",
    "[0-9]+(?:st|nd|rd|th)",
]
_NUMBER_OF = "(?:[0-9]+|one|two|three|four|five|six|seven|eight|nine|ten|single|double|multi)"
# Each of these alone makes a bracket one about the edition or the format. No bare number among them: "[DVD 2]" is
# another disc than "[DVD 1]".
_FORMATS = (
    *("vhs", "dvd(?: r| rom| video)?", "dvds", "hd dvd", "blu ?ray", "bd", "uhd", "ultra hd", "4k", "3d", "hd", "sd"),
    *("laser ?disc", "betamax", "vcd", "umd", "instant video", "digital copy", "ultraviolet", "uv", "combo(?: pack)?"),
    *("wide ?screen", "full ?screen", "full frame", "letterbox(?:ed)?", "anamorphic", "pan (?:and )?scan"),
    *("edition", "special ed", "version", "(?:[0-9]+(?:st|nd|rd|th) )anniversary", "criterion collection", "superbit"),
    *("(?:directors?|final|extended|theatrical|unrated|original) cut", "extended", "theatrical", "unrated", "uncut"),
    *("uncensored", "remastered", "restored", "colori[sz]ed", "black and white", "b and w", "steelbook", "import"),
    *("ntsc", "pal", "region(?: code)?(?: free| all| [0-9])?", "all regions?", "dubbed", "subtitled", "subbed"),
    *("closed captioned", "box(?:ed)? set", "gift set", f"{_NUMBER_OF} dis[ck]s?(?: set)?", "[0-9]+ dvds?(?: set)?"),
    "(?:19|20)[0-9][0-9]",
)
_EDITION = (
    rf" *\( *(?:(?:{'|'.join(_BESIDE)}) )*(?:{'|'.join(_FORMATS)})(?: (?:{'|'.join(chain(_FORMATS, _BESIDE))}))* *\)"
)

_NUMBERED = ("season", "series", "vol", "part", "disc", "episode")
_WORDS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ROMAN = [
    "i",
    "ii",
    "iii",
    "iv",
    "v",
    "vi",
    "vii",
    "viii",
    "ix",
    "x",
    "xi",
    "xii",
    "xiii",
    "xiv",
    "xv",
    "xvi",
    "xvii",
    "xviii",
    "xix",
    "xx",
]
_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]


def title_key(title: ir.StringValue) -> ir.StringValue:
    """The title without what differs between vendors, keeping what tells films apart.

    A title of which nothing would be left ("???", "[VHS]") is its own key, in lower case.
    """
    text = _trimmed(_entities(_folded(title).lower()))
    return ibis.coalesce(_numbers(_words(text)).nullif(""), text)


def _folded(text: ir.StringValue) -> ir.StringValue:
    """Letters without accents and compatibility forms. Only titles outside ASCII pay for the long tables."""
    single, several = _folding_tables()
    plain = text.translate("".join(single) + _deleted(), "".join(single.values()))
    return text.re_search("[^ -~]").ifelse(_replaced(plain, several.items()), text)


def _entities(text: ir.StringValue) -> ir.StringValue:
    """HTML's entities for punctuation, decoded; `&amp;` first, since titles are escaped twice at times."""
    return (
        text.re_replace("&(?:amp;)+", "&")
        .re_replace("&(?:#0?39|#x27|apos|[lr]squo|#821[67]);", "'")
        .re_replace("&(?:#0?34|#x22|quot|[lr]dquo|#822[01]);", '"')
        .re_replace("&(?:lt|gt|nbsp|#160|ndash|mdash|#821[12]|hellip|reg|trade);", " ")
    )


def _words(text: ir.StringValue) -> ir.StringValue:
    """Letters and digits between single spaces, brackets about the edition or the format gone."""
    return _trimmed(
        text.replace("'", "")
        .replace("&", " and ")
        .re_replace(r"[\[{]", "(")
        .re_replace(r"[\]}]", ")")
        .re_replace(r"[^\p{L}\p{N}\p{M}()]+", " ")
        .re_replace(_EDITION, " ")
        .re_replace("[() ]+", " ")
    )


def _numbers(text: ir.StringValue) -> ir.StringValue:
    """Digits without leading zeros for the number after "season", "vol" and their like, however it is written.

    `#` marks the word after one of these, `@` the one after "twenty" and its like; neither can be in the text, which
    holds no punctuation by now. A longer word that ends like one of them does no harm: a number is only spelt
    otherwise, and the same for both vendors.
    """
    marked = (text + " ").replace("volume ", "vol ")
    marked = _replaced(marked, ((f"{word} season ", f"season {n} ") for n, word in enumerate(_ORDINALS, 1)))
    marked = marked.re_replace("(?:the )?complete season ", "season ")
    marked = _replaced(marked, ((f"{word} ", f"{word} #") for word in _NUMBERED))
    marked = _replaced(marked, ((f"#{word} ", f"{n}@") for n, word in enumerate(_TENS, 2)))
    marked = _replaced(marked, ((f"@{word} ", f"{n} ") for n, word in enumerate(_WORDS[:9], 1))).replace("@", "0 ")
    numbers = chain(enumerate(_WORDS, 1), enumerate(_ROMAN, 1))
    marked = _replaced(marked, ((f"#{word} ", f"{n} ") for n, word in numbers))
    # One zero is left in two steps, the second of which needs a digit to follow: "Season 0" has a number too.
    marked = _replaced(marked.re_replace("#0+", "#0"), ((f"#0{n}", str(n)) for n in range(1, 10)))
    return _trimmed(marked.replace("#", ""))


def _trimmed(text: ir.StringValue) -> ir.StringValue:
    """Without blanks at both ends. Not `strip`: its `\\v` and `\\f` reach Spark as the letters v and f."""
    return text.re_replace("^ +| +$", "")


def _replaced(text: ir.StringValue, pairs: Iterable[tuple[str, str]]) -> ir.StringValue:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _folding_tables() -> tuple[dict[str, str], dict[str, str]]:
    """Letters that fold to one letter, and those that fold to several: these to their lower case first."""
    folded = {char: _fold(char) for char in chain(map(chr, chain(*_BLOCKS)), _BY_HAND) if char not in _INVISIBLE}
    single = {char: to if len(to) == 1 else char.lower() for char, to in folded.items()}
    several = {char: to for char, to in folded.items() if len(to) > 1 and char == char.lower()}
    return {char: to for char, to in single.items() if to != char}, several


def _fold(char: str) -> str:
    low = char.lower()
    if low in _BY_HAND:
        return _BY_HAND[low]
    return "".join(c for c in unicodedata.normalize("NFKD", low) if ord(c) not in _MARKS)


def _deleted() -> str:
    return "".join(map(chr, _MARKS)) + _INVISIBLE
