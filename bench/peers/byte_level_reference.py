"""Makes a small byte-level byte-pair vocabulary and what the `tokenizers` library says of texts in it.

    pip install tokenizers
    python3 bench/peers/byte_level_reference.py models/tests/data/byte_level

With a second argument, a tokenizer.json such as Whisper's, the texts' tokens in that vocabulary go to standard output.
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = [
    "",
    " ",
    "The cat sat on the mat.",
    " the  cat   sat",
    "trailing spaces   ",
    "\n\nlines\n and\ttabs \t here\r\n",
    "I'm sure they'll say it's 3.14, we've said; he'd've gone",
    "IT'S UPPER'S",
    "naïve café — “quotes” … ½ ³ Ⅷ",
    "Größe straße ÄÖÜ",
    "日本語の文章です。",
    "हिन्दी में लिखा",
    "русский текст 123",
    "a\u0301 combining e\u0301",
    "emoji 😀👩‍👩‍👧 and more",
    "x\u00a0y\u2003z\u3000w",
    "<|endoftext|> is only text here",
    "12345 67 8",
    "a_b-c/d\\e",
    "\u2028\u2029 separators",
]


def small() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    random.seed(1)
    corpus = [" ".join(random.choices(" ".join(TEXTS).split(), k=12)) for _ in range(400)]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|start|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def spelt(tokenizer: Tokenizer) -> list:
    # The library takes special pieces within a text for what they are called; a recogniser's text has none.
    plain = [text for text in TEXTS if "<|" not in text]
    cases = []
    for text in plain:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    random.seed(2)
    for _ in range(12):
        ids = [random.randrange(2, 300) for _ in range(random.randrange(1, 9))]
        cases.append({"text": None, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True)})
    return cases


def main() -> None:
    if len(sys.argv) > 2:
        print(json.dumps(spelt(Tokenizer.from_file(sys.argv[2]))))
        return
    folder = Path(sys.argv[1])
    tokenizer = small()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    cases = json.dumps(spelt(tokenizer), ensure_ascii=True)
    (folder / "cases.json").write_text(cases + "\n")


main()
