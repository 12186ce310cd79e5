"""The data that the pages and the API of conduct show: suspensions and public records."""
