"""Letters of other scripts that pass for Latin ones, folded where they pose as Latin text.

The pairs follow the prototypes in Unicode Technical Standard 39 (confusables), limited to single letters.
"""

from __future__ import annotations

import re

_PAIRS = (
    # Cyrillic
    "аa вb еe ёe кk мm нh оo рp сc тt уy хx ѕs іi їi јj ԁd һh ԛq ԝw ӏl ьb ҽe ѵv гr "
    "АA ВB ЕE ЁE КK МM НH ОO РP СC ТT УY ХX ЅS ІI ЇI ЈJ ԚQ ԜW ӀI ҮY ԌG "
    # Greek
    "αa βb γy εe ηn ιi κk νv οo όo ρp τt υu χx ωw ϲc ϳj "
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC ͿJ "
    # Armenian and Cherokee
    "օo սu հh ոn ցg յj ՏS ՍU ՕO "
    "ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎫJ ᏦK ᏞL ᎷM ᏢP ᏚS ᎢT ᏙV ᎳW ᏃZ "
    # Latin letters that only phonetic alphabets use
    "ɑa ɡg ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz"
)
_TO_LATIN = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_ANY = re.compile("[" + "".join(map(chr, _TO_LATIN)) + "]")
_WORD = re.compile(r"[^\W\d_]{1,200}")
_LAST_LATIN = "\u024f"


def fold_lookalikes(text: str) -> str:
    """Replace look-alikes in words that mix them with Latin letters.

    A text that is Latin but for look-alikes is replaced whole, so that a word written in nothing else is caught
    too; real Cyrillic or Greek words have letters that look like no Latin one, and are left alone.
    """
    if not _ANY.search(text):
        return text
    folded = text.translate(_TO_LATIN)
    if _is_latin(folded) and 2 * len(_ANY.findall(text)) < sum(map(str.isalpha, text)):
        return folded
    return _WORD.sub(_fold_word, text)


def _fold_word(match: re.Match[str]) -> str:
    word = match.group()
    if not any(character <= _LAST_LATIN and not _ANY.match(character) for character in word):
        return word
    folded = word.translate(_TO_LATIN)
    return folded if _is_latin(folded) else word


def _is_latin(text: str) -> bool:
    return all(character <= _LAST_LATIN or not character.isalpha() for character in text)
