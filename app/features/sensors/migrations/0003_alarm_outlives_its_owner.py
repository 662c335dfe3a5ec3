from django.conf import settings
from django.db import migrations, models

NOBODY = models.ForeignKey(
    null=True, on_delete=models.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
)


class Migration(migrations.Migration):
    """An alarm goes on without the owner who set it."""

    allowed = {
        "column_is_not_rewritten": "NOT NULL goes: nothing is read or written for it",
        "index_is_built_beside_writers": "the column has its index",
    }
    dependencies = [("sensors", "0002_device"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [migrations.AlterField("alarm", "by", NOBODY)]
