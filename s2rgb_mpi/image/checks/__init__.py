"""Checks of the pixels: workers count, the writer judges.

`boa_offset` checks whether the pixels agree with the product's offset, `overlap` whether products
agree where they overlap; `findings` describes their results.
"""
