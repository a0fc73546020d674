"""What a training does when numbers go bad or memory runs out."""
