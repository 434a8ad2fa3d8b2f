"""The pages: a folder for each, with its routes, its view model, its template and its texts."""
