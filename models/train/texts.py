"""What the synthetic voices say: orders, digits, letters, wake phrases, and ordinary speech."""

import random
import re

import vocabulary

SIZES = ["small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"]
ROASTS = ["light roast", "medium roast", "dark roast"]
SHOTS = ["single shot", "double shot", "triple shot"]
DRINKS = [
    "americano", "cappuccino", "coffee", "drip coffee", "espresso", "house coffee", "iced coffee",
    "iced mocha", "latte", "mocha",
]
REQUESTS = [
    "can i get", "can i have", "may i have", "i want", "i'd like", "give me", "get me", "make me",
    "brew", "brew me",
]
AMOUNTS = ["a bit of", "a little bit of", "a little", "a lot of", "lots of", "some"]
EXTRAS = [
    "milk", "almond milk", "soy milk", "skim milk", "whole milk", "cream", "sugar", "brown sugar",
    "sweetener",
]


def order(rng: random.Random) -> str:
    """One coffee order of the corpus's grammar; also its parts in another order, to keep the
    network from learning the order by heart."""
    parts = []
    for group, chance in ((SIZES, 0.4), (ROASTS, 0.4), (SHOTS, 0.4)):
        if rng.random() < chance:
            parts.append(rng.choice(group))
    rng.shuffle(parts)
    drink = " ".join([*parts, rng.choice(DRINKS)])
    article = "an" if drink.startswith(("a", "e", "i")) else "a"

    def extra() -> str:
        amount = rng.choice(AMOUNTS) + " " if rng.random() < 0.6 else ""
        return amount + rng.choice(EXTRAS)

    text = f"{rng.choice(REQUESTS)} {article} {drink}"
    if rng.random() < 0.6:
        text += " with " + extra()
        if rng.random() < 0.3:
            text += " and " + extra()
    if rng.random() < 0.15:  # the end of one, whose beginning nobody heard
        words = text.split()
        text = " ".join(words[rng.randrange(1, len(words) - 1) :])
    return text


def digits(rng: random.Random, longest: int = 6) -> str:
    """One to `longest` digits."""
    return " ".join(rng.choice(vocabulary.DIGITS) for _ in range(rng.randint(1, longest)))


def letters(rng: random.Random, longest: int = 4) -> str:
    """One to `longest` letters."""
    return " ".join(rng.choice(vocabulary.LETTERS) for _ in range(rng.randint(1, longest)))


def wake(rng: random.Random) -> str:
    """One wake phrase."""
    return rng.choice(vocabulary.WAKE_PHRASES)


SUBJECTS = (
    "the old man|my sister|our neighbour|the captain|a young woman|the teacher|everybody|nobody|"
    "the company|his brother|the children|this book|the weather|their house|the train|your friend|"
    "the doctor|the river|that song|the government|we|they|he|she|you|the others|some people"
).split("|")
VERBS = (
    "went to|came from|walked along|talked about|remembered|forgot|saw|had never seen|looked at|"
    "was standing near|could not find|wanted to buy|is going to visit|used to love|wrote about|"
    "turned away from|heard of|spoke against|lived beside|asked for|thought of|ran towards"
).split("|")
OBJECTS = (
    "the station|a long story|the garden gate|the mountains|the evening paper|an empty room|"
    "the war|the other side|the telephone|a letter from home|the kitchen table|the market|"
    "the whole question|a beautiful picture|the new office|something else|the last summer|"
    "a piece of paper|the morning news|the open window|the city|a dozen eggs|the first chapter"
).split("|")
TAILS = (
    "yesterday afternoon|before the rain began|with a little smile|for the second time|in the dark|"
    "without saying a word|because it was late|when the clock struck|and then went home|"
    "if i remember well|as usual|at the end of the month|in spite of everything|last night|"
    "all day long|once upon a time|"
).split("|")
TALK = (
    "hello how are you|good morning everyone|thank you very much|what time is it|see you tomorrow|"
    "where are you going|i don't know what you mean|that is a good idea|could you say that again|"
    "please turn off the lights|play some music|set a timer for ten minutes|call my mother|"
    "what is the weather like today|open the door|never mind|yes of course|no thank you|"
    "i think we should wait|it doesn't matter|can you help me with this|let me think about it|"
    "happy birthday|how much does it cost|i can't hear you|excuse me|i'm sorry|all right then|"
    "go ahead|stop|wait a minute|of course not|are you sure|nice to meet you|i have no idea|"
    "give it back to me|make sure you lock the house|i want to go home|i'd rather stay here|"
    "get out of the way|may i come in|can i ask you something|it is half past nine"
).split("|")


def template_sentence(rng: random.Random) -> str:
    """An ordinary sentence."""
    if rng.random() < 0.3:
        return rng.choice(TALK)
    pick = rng.choice
    return f"{pick(SUBJECTS)} {pick(VERBS)} {pick(OBJECTS)} {pick(TAILS)}".strip()


class OrdinaryText:
    """Ordinary sentences, cut from public-domain books, and lone words, from a word list."""

    def __init__(self, books: list[str], words: str | None) -> None:
        self.pieces: list[str] = []
        for path in books:
            with open(path, errors="ignore") as file:
                text = re.sub(r"[^a-z' .,;:!?\n-]", " ", file.read().lower())
            for sentence in re.split(r"[.,;:!?\n]+", text):
                split = sentence.replace("-", " ").split()
                if 3 <= len(split) <= 14:
                    self.pieces.append(" ".join(split))
        spoken = set(vocabulary.words())
        self.words: list[str] = []
        if words:
            with open(words, errors="ignore") as file:
                for line in file:
                    word = line.strip()
                    if word.isascii() and word.isalpha() and word.islower() and 3 <= len(word) <= 9:
                        if word not in spoken:
                            self.words.append(word)

    def draw(self, rng: random.Random) -> str:
        """A piece of a book, a sentence of a template, or one to three words."""
        choice = rng.random()
        if choice < 0.5 and self.pieces:
            return rng.choice(self.pieces)
        if choice < 0.75 or not self.words:
            return template_sentence(rng)
        return " ".join(rng.choice(self.words) for _ in range(rng.choice([1, 1, 2, 3])))


def draw(rng: random.Random, kind: str, ordinary: OrdinaryText) -> tuple[str, str]:
    """What to say, and what the network shall write, for one kind of utterance."""
    if kind == "ordinary":
        return ordinary.draw(rng), ""
    text = {
        "order": order,
        "digit": lambda rng: digits(rng, 1),
        "digits": digits,
        "letter": lambda rng: letters(rng, 1),
        "letters": letters,
        "wake": wake,
    }[kind](rng)
    return text, text


def spoken(text: str) -> str:
    """The text as a synthesizer must see it: letters in capitals and apart."""
    out = []
    tokens = text.split()
    lone = all(len(token) == 1 for token in tokens)
    for token in tokens:
        if len(token) == 1 and token.isalpha() and (lone or token not in "ai"):
            out.append(token.upper() + ".")
        elif token == "i" or token.startswith("i'"):
            out.append(token.capitalize())
        else:
            out.append(token)
    return " ".join(out)
