"""``zoo serve``: a web page and a JSON interface for models.

`serve` is the command; `app` joins the parts: `guard` bounds requests, `uploads` reads the files in them, `service`
predicts, `answers` describes what is sent, `openapi` documents it, `connections` closes those that ask for nothing.
`page/` holds the page, which loads nothing from elsewhere. `space` writes the files with
which the Hugging Face Hub shows it.
"""

__all__ = ["answers", "app", "connections", "guard", "openapi", "serve", "service", "space", "uploads"]
