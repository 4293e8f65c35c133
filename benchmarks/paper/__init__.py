"""The paper this project grew from, put to the test: claims written first, then a grid, then a page from its rows."""
