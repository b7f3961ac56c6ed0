"""The built-in estimators, one method a file; found through entry points."""
