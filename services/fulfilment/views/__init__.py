"""The data that the pages and the API of fulfilment show: how a contract is carried out, and disputes."""
