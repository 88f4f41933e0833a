"""What ``foretide doctor`` looks at in a cluster before anything is enforced there. Nothing is changed."""
