"""The closed vocabulary, one token a word, and its SentencePiece model.

Run as a program it writes the SentencePiece model: `vocabulary.py OUT.model`.
"""

import math
import sys

from sentencepiece import sentencepiece_model_pb2 as model_pb2

ORDER_WORDS = (
    "a with shot roast i milk of coffee sugar me ounce mocha and have can iced bit get dark brown "
    "double single light medium sweetener triple give want like i'd cappuccino some may make brew "
    "house little almond twelve soy lots drip americano lot espresso latte whole large skim twenty "
    "small sixteen cream an eight"
).split()
DIGITS = "zero one two three four five six seven eight nine".split()
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
WAKE_PHRASES = ["alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass"]
UNKNOWN = 0


def words() -> list[str]:
    """Every word once, in a fixed order."""
    seen: dict[str, None] = {}
    for group in (ORDER_WORDS, DIGITS, " ".join(WAKE_PHRASES).split(), LETTERS):
        seen.update(dict.fromkeys(group))
    return list(seen)


def token_ids() -> dict[str, int]:
    """Word to token; token 0 is the unknown word, the blank follows the last word."""
    return {word: index + 1 for index, word in enumerate(words())}


def num_symbols() -> int:
    """The unknown token, the words and the blank."""
    return len(words()) + 2


def sentencepiece_model() -> bytes:
    """A unigram model whose pieces are whole words, all equally likely: its best split of a
    text of known words is those words, and any other word is unknown."""
    proto = model_pb2.ModelProto()
    unknown = proto.pieces.add()
    unknown.piece, unknown.score = "<unk>", 0.0
    unknown.type = model_pb2.ModelProto.SentencePiece.UNKNOWN
    for word in words():
        piece = proto.pieces.add()
        piece.piece, piece.score = "\u2581" + word, -math.log(len(words()))
    trainer = proto.trainer_spec
    trainer.model_type = model_pb2.TrainerSpec.UNIGRAM
    trainer.vocab_size = len(proto.pieces)
    trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = 0, -1, -1, -1
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.remove_extra_whitespaces = True
    proto.normalizer_spec.escape_whitespaces = True
    return proto.SerializeToString()


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        file.write(sentencepiece_model())
