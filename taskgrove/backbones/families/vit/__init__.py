"""Vision transformers (Dosovitskiy et al., 2021), the backbones of muNet and µ2Net+."""
