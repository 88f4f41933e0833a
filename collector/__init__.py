"""Takes in what happens: scrapes metrics pages, receives OTLP, reads this host, and appends it all to the store.

Start reading at ``scrape`` (the loop), ``exposition`` (how a page is read) and ``endpoints`` (what is pushed).
"""
