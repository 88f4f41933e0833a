"""The cluster as the collector sees it: its objects as kube-state-metrics' series, its usage, and what to scrape in it.

``state`` (pure) turns objects into samples, ``exporter`` appends them at each interval; ``roles`` (pure) turns objects
into discovered targets, ``discovery`` keeps them up to date for the scraper. Both read reflectors of package ``kube``.
"""
